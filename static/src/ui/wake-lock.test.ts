import { expect, test } from "vitest";
import { type WakeHold, WakeLock, type WakePort } from "./wake-lock.ts";

test("it is held while wanted and let go afterwards", async () => {
  const { port, log } = browser();
  const lock = new WakeLock(port);

  lock.want(true);
  await settled();
  lock.want(true);
  await settled();
  lock.want(false);
  await settled();

  expect(log).toEqual(["request", "release"]);
});

test("it is taken again when the page comes back, and not while it is hidden", async () => {
  const { port, log, turn } = browser();
  const lock = new WakeLock(port);
  lock.want(true);
  await settled();

  turn(false);
  await settled();
  expect(log).toEqual(["request"]);
  turn(true);
  await settled();

  expect(log).toEqual(["request", "request"]);
});

test("what is no longer wanted when it is granted is let go at once", async () => {
  const { port, log } = browser();
  const lock = new WakeLock(port);

  lock.want(true);
  lock.want(false);
  await settled();

  expect(log).toEqual(["request", "release"]);
});

test("a refusal harms nothing, and the next visit asks again", async () => {
  const { port, log, turn } = browser({ refuses: true });
  const lock = new WakeLock(port);

  lock.want(true);
  await settled();
  turn(false);
  turn(true);
  await settled();

  expect(log).toEqual(["refused", "refused"]);
});

function browser({ refuses = false } = {}) {
  const log: string[] = [];
  let isVisible = true;
  let heard = (): void => {};
  const hold: WakeHold = {
    release: async () => {
      log.push("release");
    },
  };
  const port: WakePort = {
    request: async () => {
      log.push(refuses ? "refused" : "request");
      if (refuses) {
        throw new DOMException("the battery is low", "NotAllowedError");
      }
      return hold;
    },
    isVisible: () => isVisible,
    onVisibility: (changed) => {
      heard = changed;
    },
  };
  const turn = (visible: boolean): void => {
    isVisible = visible;
    heard();
  };
  return { port, log, turn };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await Promise.resolve();
  }
}
