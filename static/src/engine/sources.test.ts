import { afterEach, expect, test, vi } from "vitest";
import type { FileEntry } from "./catalogue.ts";
import { Sources } from "./sources.ts";

afterEach(() => {
  vi.useRealTimers();
});

test("a folder on a drive that never answers is not waited for without end", async () => {
  vi.useFakeTimers();
  const sources = new Sources(() => new Promise(() => {}));
  const entry = { file: null, sizeBytes: 5 } as FileEntry;

  const read = sources.read(entry, 0, 5);
  const ended = vi.fn();
  void read.then(ended);
  await vi.advanceTimersByTimeAsync(5 * 60_000);

  expect(ended).toHaveBeenCalledWith(null);
});

test("a copy is read where the chosen file is gone, and a copy of another size is not", async () => {
  const gone = { slice: () => ({ arrayBuffer: () => Promise.reject(new Error("gone")) }) };
  const copies = [new Blob(["other size"]), new Blob(["photo"])];
  const sources = new Sources(() => Promise.resolve(copies.shift() ?? null));
  const entry = { file: gone as unknown as Blob, sizeBytes: 5 } as FileEntry;

  expect(await sources.read(entry, 0, 5)).toBeNull();
  const read = await sources.read(entry, 0, 5);

  expect(new TextDecoder().decode(read?.bytes)).toBe("photo");
});
