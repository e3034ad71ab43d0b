import { expect, test } from "vitest";
import { fewAtOnce } from "./few-at-once.ts";

test("no more than so many run, in the order in which they were asked for", async () => {
  const { work, begun, finish } = workshop();
  const limited = fewAtOnce(2, work);

  const all = Promise.all(["a", "b", "c", "d"].map(limited));
  await settled();
  expect(begun).toEqual(["a", "b"]);
  finish("b");
  await settled();
  expect(begun).toEqual(["a", "b", "c"]);
  finish("a");
  await settled();
  finish("c");
  finish("d");

  expect(await all).toEqual(["a!", "b!", "c!", "d!"]);
  expect(begun).toEqual(["a", "b", "c", "d"]);
});

test("work that fails makes room as well", async () => {
  const begun: string[] = [];
  const limited = fewAtOnce(1, async (name: string) => {
    begun.push(name);
    if (name === "a") throw new Error("broken");
  });

  const first = limited("a").catch(() => "failed");
  await limited("b");

  expect(await first).toBe("failed");
  expect(begun).toEqual(["a", "b"]);
});

function workshop() {
  const begun: string[] = [];
  const running = new Map<string, () => void>();
  const work = (name: string): Promise<string> => {
    begun.push(name);
    return new Promise((resolve) => running.set(name, () => resolve(`${name}!`)));
  };
  return { work, begun, finish: (name: string) => running.get(name)?.() };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.resolve();
  }
}
