import fc from "fast-check";
import { expect, test } from "vitest";
import { findEmbeddedPreview } from "./embedded-preview.ts";
import { firstDirectory, numbersOf, textOf, tiffAt } from "./tiff.ts";
import { readTiffHeader } from "./tiff-header.ts";

/** One directory: entries of tag, type, count and what stands in the entry; then the place of the next. */
function tiffOf(entries: readonly (readonly [number, number, number, number])[], next: number): Uint8Array {
  const bytes = new Uint8Array(8 + 2 + entries.length * 12 + 4);
  const view = new DataView(bytes.buffer);
  bytes.set([0x49, 0x49, 42, 0]);
  view.setUint32(4, 8, true);
  view.setUint16(8, entries.length, true);
  entries.forEach(([tag, type, count, value], index) => {
    const at = 10 + index * 12;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, type, true);
    view.setUint32(at + 4, count, true);
    view.setUint32(at + 8, value, true);
  });
  view.setUint32(bytes.length - 4, next, true);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

test.each([
  ["whole", 0, 2, 99],
  ["without the place of the next", 4, 2, null],
  ["cut in its second entry", 5, 1, null],
])("a directory that is %s tells what of it was read", (_name, missingBytes, entryCount, next) => {
  const bytes = tiffOf(
    [
      [256, 3, 1, 640],
      [257, 4, 1, 480],
    ],
    99,
  );

  const tiff = tiffAt(viewOf(bytes.subarray(0, bytes.length - missingBytes)), 0);
  const directory = tiff === null ? null : firstDirectory(tiff);

  expect(directory?.entries).toHaveLength(entryCount);
  expect(directory?.next).toBe(next);
});

test("numbers and texts are read where they stand, and those of no use are none", () => {
  const tiff = tiffAt(
    viewOf(
      tiffOf(
        [
          [256, 3, 1, 640],
          [271, 2, 4, 0x00_6f_6f_46],
          [330, 4, 2, 5_000],
          [257, 7, 1, 480],
        ],
        0,
      ),
    ),
    0,
  );
  if (tiff === null) throw new Error("no TIFF");
  const [width, make, beyond, opaque] = firstDirectory(tiff).entries;

  const numbers = [width, beyond, opaque].map((entry) => entry && numbersOf(tiff, entry));

  expect(numbers).toEqual([[640], [], []]);
  expect(make && textOf(tiff, make)).toBe("Foo");
});

test("whatever the bytes are, reading ends and throws nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), (tail) => {
      const bytes = Uint8Array.from([0x49, 0x49, 42, 0, 8, 0, 0, 0, ...tail]);
      readTiffHeader(viewOf(bytes));
      findEmbeddedPreview(bytes);
    }),
  );
});
