import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findEmbeddedPreview } from "./embedded-preview.ts";

type Directory = readonly (readonly [tag: number, value: number])[];

const ORIENTATION = 274;
const AT = 513;
const BYTES = 514;

describe("the small picture inside a JPEG", () => {
  test.each([true, false])("is found in its Exif, little endian: %s", (isLittleEndian) => {
    const tiff = tiffOf(isLittleEndian, [
      [[ORIENTATION, 6]],
      [
        [AT, 400],
        [BYTES, 5_000],
      ],
    ]);
    const file = jpegOf([0xe0, "JFIF\0"], [0xe1, exifOf(tiff)]);

    const found = findEmbeddedPreview(file);

    // SOI, APP0 of 4 + 5 bytes, APP1's 4 and "Exif\0\0" stand before the TIFF header.
    expect(found).toEqual({ at: 2 + 9 + 10 + 400, bytes: 5_000, orientation: 6 });
  });

  test("is not there without a second directory", () => {
    expect(findEmbeddedPreview(jpegOf([0xe1, exifOf(tiffOf(true, [[[ORIENTATION, 3]]]))]))).toBeNull();
  });

  test("is not looked for behind the pixels", () => {
    const exif = exifOf(
      tiffOf(true, [
        [],
        [
          [AT, 400],
          [BYTES, 5_000],
        ],
      ]),
    );

    expect(findEmbeddedPreview(jpegOf([0xda, "scan"], [0xe1, exif]))).toBeNull();
  });

  test("is upright where the number of its turn means nothing", () => {
    const tiff = tiffOf(true, [
      [[ORIENTATION, 9]],
      [
        [AT, 400],
        [BYTES, 5_000],
      ],
    ]);

    expect(findEmbeddedPreview(jpegOf([0xe1, exifOf(tiff)]))?.orientation).toBe(1);
  });

  test("is no bargain where it is larger than four megabytes", () => {
    const tiff = tiffOf(true, [
      [],
      [
        [AT, 400],
        [BYTES, 4 * 1024 * 1024 + 1],
      ],
    ]);

    expect(findEmbeddedPreview(jpegOf([0xe1, exifOf(tiff)]))).toBeNull();
  });
});

describe("the small picture inside a RAW file", () => {
  test("is the smallest that is named", () => {
    const raw = tiffOf(true, [
      [
        [ORIENTATION, 8],
        [AT, 9_000],
        [BYTES, 300_000],
      ],
      [
        [AT, 700],
        [BYTES, 6_000],
      ],
    ]);

    expect(findEmbeddedPreview(padded(raw))).toEqual({ at: 700, bytes: 6_000, orientation: 8 });
  });

  test("may be a strip of a directory below the first", () => {
    // The second directory, reached by the tag of sub-directories: a reduced picture, JPEG, one strip.
    const strip: Directory = [
      [254, 1],
      [259, 7],
      [273, 3_000],
      [279, 8_000],
    ];
    const raw = tiffOf(true, [[[330, 8 + 2 + 12 + 4]], strip], { isChained: false });

    expect(findEmbeddedPreview(padded(raw))).toEqual({ at: 3_000, bytes: 8_000, orientation: 1 });
  });

  test("of a Fuji says its turn itself", () => {
    const raf = new Uint8Array(200);
    raf.set(latin1("FUJIFILMCCD-RAW "));
    new DataView(raf.buffer).setUint32(84, 148);
    new DataView(raf.buffer).setUint32(88, 90_000);

    expect(findEmbeddedPreview(raf)).toEqual({ at: 148, bytes: 90_000, orientation: null });
  });
});

test("no bytes make it throw or run long", () => {
  const beginnings = fc.constantFrom(
    "",
    "\xff\xd8\xff\xe1\x00\x40Exif\0\0",
    "II*\0\x08\0\0\0",
    "MM\0*\0\0\0\x08",
    "FUJI",
  );

  fc.assert(
    fc.property(beginnings, fc.uint8Array({ maxLength: 400 }), (beginning, rest) => {
      const found = findEmbeddedPreview(new Uint8Array([...latin1(beginning), ...rest]));
      expect(found === null || (found.at > 0 && found.bytes > 0)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

/** A TIFF of directories one behind the other, each value a LONG. */
function tiffOf(
  isLittleEndian: boolean,
  directories: readonly Directory[],
  { isChained = true } = {},
): Uint8Array {
  const sizes = directories.map((tags) => 2 + tags.length * 12 + 4);
  const bytes = new Uint8Array(8 + sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  bytes.set(latin1(isLittleEndian ? "II" : "MM"));
  view.setUint16(2, 42, isLittleEndian);
  view.setUint32(4, 8, isLittleEndian);
  let at = 8;
  directories.forEach((tags, index) => {
    view.setUint16(at, tags.length, isLittleEndian);
    tags.forEach(([tag, value], place) => {
      const entry = at + 2 + place * 12;
      view.setUint16(entry, tag, isLittleEndian);
      view.setUint16(entry + 2, 4, isLittleEndian);
      view.setUint32(entry + 4, 1, isLittleEndian);
      view.setUint32(entry + 8, value, isLittleEndian);
    });
    const next = at + (sizes[index] ?? 0);
    const isLast = index === directories.length - 1;
    view.setUint32(next - 4, isLast || !isChained ? 0 : next, isLittleEndian);
    at = next;
  });
  return bytes;
}

function exifOf(tiff: Uint8Array): string {
  return `Exif\0\0${String.fromCharCode(...tiff)}`;
}

function jpegOf(...segments: readonly (readonly [marker: number, content: string])[]): Uint8Array {
  const bytes = segments.flatMap(([marker, content]) => {
    const length = content.length + 2;
    return [0xff, marker, length >> 8, length & 0xff, ...latin1(content)];
  });
  return padded(new Uint8Array([0xff, 0xd8, ...bytes]));
}

function padded(bytes: Uint8Array): Uint8Array {
  const longer = new Uint8Array(bytes.length + 200);
  longer.set(bytes);
  return longer;
}

function latin1(text: string): number[] {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}
