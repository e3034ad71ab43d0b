import { expect, test } from "vitest";
import { readBytes, readPiece } from "./file-bytes.ts";

test("bytes are given as they are asked for", async () => {
  const buffer = await readBytes(new Blob(["photograph"]), 2, 3);

  expect(new TextDecoder().decode(buffer ?? undefined)).toBe("oto");
});

test("where they lie is the file itself, or a part of it", async () => {
  const file = new Blob(["photograph"]);

  expect((await readPiece(file, 0, 10))?.piece).toBe(file);
  expect(await (await readPiece(file, 5, 5))?.piece.text()).toBe("graph");
});

test("a file that has become shorter is not given in part", async () => {
  expect(await readBytes(new Blob(["photo"]), 3, 5)).toBeNull();
});

test("a drive that never answers is not waited for without end", async () => {
  const hanging = { size: 5, arrayBuffer: () => new Promise(() => {}) } as unknown as Blob;

  expect(await readBytes(hanging, 0, 5, 10)).toBeNull();
});
