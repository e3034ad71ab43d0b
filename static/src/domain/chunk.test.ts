import { expect, test } from "vitest";
import { chunkOf, keptBytes, planOfSession, wholePieces } from "./chunk.ts";

const SESSION = { sessionUri: "https://store.test/session", chunkBytes: 100, offset: 0 };
const PLAN = planOfSession(250, SESSION);

function chunkAt(partNumber: number, offset: number) {
  return chunkOf(PLAN, partNumber, { ...SESSION, offset });
}

test("a file is cut into the chunks that the server names, the last one shorter", () => {
  expect(PLAN).toEqual({ fileBytes: 250, partBytes: 100, partCount: 3 });
});

test.each([
  [0, 1, "bytes 0-99/250", 0],
  [1, 1, "bytes 1-99/250", 1],
  [99, 1, "bytes 99-99/250", 99],
  [100, 2, "bytes 100-199/250", 0],
  [249, 3, "bytes 249-249/250", 49],
])("where the store has %i bytes, piece %i begins there", (offset, partNumber, range, skipBytes) => {
  expect(chunkAt(partNumber, offset)).toEqual({
    kind: "request",
    request: { method: "PUT", url: SESSION.sessionUri, headers: { "Content-Range": range } },
    skipBytes,
  });
});

test("a piece that the store has is not sent, and one after a gap waits for its turn", () => {
  expect(chunkAt(1, 100)).toEqual({ kind: "stored" });
  expect(chunkAt(3, 250)).toEqual({ kind: "stored" });
  expect(chunkAt(2, 99)).toEqual({ kind: "out_of_turn" });
});

test.each([
  [0, []],
  [99, []],
  [100, [1]],
  [249, [1, 2]],
  [250, [1, 2, 3]],
  [300, [1, 2, 3]],
])("of %i bytes the pieces %j are whole", (offset, pieces) => {
  expect(wholePieces(PLAN, offset)).toEqual(pieces);
});

test.each([
  ["bytes=0-99", 100],
  ["bytes=0-0", 1],
  [null, 0],
  ["bytes=1-99", 0],
  ["all of it", 0],
])("308 with Range %s: %i bytes are kept", (told, bytes) => {
  expect(keptBytes(told)).toBe(bytes);
});
