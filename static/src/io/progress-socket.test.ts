import { expect, test } from "vitest";
import { parseSocketMessage } from "../domain/wire.ts";
import { ManualClock } from "../kernel/clock.ts";
import { ProgressSocket, type SocketHandlers } from "./progress-socket.ts";

function world(random = 0) {
  const opened: { handlers: SocketHandlers; isClosed: boolean; sent: string[] }[] = [];
  const heard: string[] = [];
  const clock = new ManualClock();
  const ports = {
    clock,
    random: () => random,
    open: (_url: string, handlers: SocketHandlers) => {
      const socket = { handlers, isClosed: false, sent: [] as string[] };
      opened.push(socket);
      return {
        send: (text: string) => socket.sent.push(text),
        close: () => {
          socket.isClosed = true;
          handlers.onClose();
        },
      };
    },
  };
  const socket = new ProgressSocket("wss://photos.test/ws/", ports, {
    parse: parseSocketMessage,
    onMessage: ({ type }) => heard.push(type),
    onOpen: () => heard.push("open"),
    onClose: () => heard.push("close"),
  });
  return { clock, heard, opened, socket };
}

const PROGRESS = JSON.stringify({ type: "progress", totals: { bytes: 1, bytes_total: 2, files: {} } });

test("a socket that is lost is opened again after a pause", () => {
  const { clock, heard, opened } = world();
  opened[0]?.handlers.onOpen();

  opened[0]?.handlers.onClose();
  clock.advance(250);

  expect(opened).toHaveLength(2);
  expect(heard).toEqual(["open", "close"]);
});

test.each([
  [0, [250, 500, 1_000]],
  [1, [500, 1_000, 2_000]],
])("pauses grow, and are not the same for all: %d", (random, pausesMs) => {
  const { clock, opened } = world(random);

  for (const [number, pauseMs] of pausesMs.entries()) {
    opened[number]?.handlers.onClose();
    clock.advance(pauseMs - 1);
    expect(opened).toHaveLength(number + 1);
    clock.advance(1);
    expect(opened).toHaveLength(number + 2);
  }
});

test("with another network the socket is another: the one before is closed and heard no more", () => {
  const { clock, heard, opened, socket } = world();
  opened[0]?.handlers.onOpen();

  socket.reopenNow();
  opened[0]?.handlers.onText(PROGRESS);
  clock.advance(60_000);

  expect(opened).toHaveLength(2);
  expect(opened[0]?.isClosed).toBe(true);
  expect(socket.isOpen).toBe(false);
  opened[1]?.handlers.onOpen();
  expect(socket.isOpen).toBe(true);
  expect(heard).toEqual(["open", "close", "open"]);
});

test("where it waits for its next try, the network's return has it try at once, and once", () => {
  const { clock, opened, socket } = world();
  opened[0]?.handlers.onClose();

  socket.reopenNow();
  clock.advance(60_000);

  expect(opened).toHaveLength(2);
});

test("a closed socket is not opened again", () => {
  const { clock, opened, socket } = world();
  socket.close();

  socket.reopenNow();
  clock.advance(60_000);

  expect(opened).toHaveLength(1);
});
