import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/profile.json" with { type: "json" };
import { checkFile as checkFileFor, type FileCheck } from "./file-check.ts";
import { readImageSize } from "./image-size.ts";
import { MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE_PX } from "./limits.ts";
import { type Profile, WIDEST_PROFILE } from "./profile.ts";

/** A photographers' contest: JPEG of at least 5 megapixels, up to 50 MB. */
const CONTEST: Profile = {
  mediaTypes: vectors.profile.media_types,
  maxFileBytes: vectors.profile.max_file_bytes,
  minPixels: vectors.profile.min_pixels,
  maxPixels: vectors.profile.max_pixels,
  maxSidePx: vectors.profile.max_side_px,
  maxPhotos: vectors.profile.max_photos,
};

function checkFile(fileBytes: number, head: Uint8Array, profile = WIDEST_PROFILE): FileCheck {
  return checkFileFor(fileBytes, head, profile);
}

function pngHead(width: number, height: number): Uint8Array {
  const head = new Uint8Array(33);
  head.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
  const view = new DataView(head.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  return head;
}

function jpegHead(width: number, height: number, before: readonly number[] = []): Uint8Array {
  const frame = [0xff, 0xc2, 0, 17, 8, height >> 8, height & 255, width >> 8, width & 255, 3];
  return Uint8Array.from([0xff, 0xd8, ...before, ...frame]);
}

const RIFF = [0x52, 0x49, 0x46, 0x46, 0, 0, 0, 0, 0x57, 0x45, 0x42, 0x50];

test("a photo passes and is called what its bytes say", () => {
  expect(checkFile(5000, pngHead(640, 480))).toEqual({ ok: true, type: "image/png" });
});

test("an empty file is refused as empty, not as no photo", () => {
  expect(checkFile(0, new Uint8Array())).toEqual({ ok: false, reasons: ["empty_file"] });
});

test("every reason is told at once", () => {
  expect(checkFile(MAX_FILE_BYTES + 1, new TextEncoder().encode("%PDF"))).toEqual({
    ok: false,
    reasons: ["file_too_large", "not_an_image"],
  });
  expect(checkFile(MAX_FILE_BYTES + 1, pngHead(MAX_SIDE_PX + 1, 20_000))).toEqual({
    ok: false,
    reasons: ["file_too_large", "too_many_pixels", "too_long_side"],
  });
});

test.each([
  [MAX_FILE_BYTES - 1, true],
  [MAX_FILE_BYTES, true],
  [MAX_FILE_BYTES + 1, false],
])("of %i bytes: taken is %s", (fileBytes, isTaken) => {
  expect(checkFile(fileBytes, pngHead(1, 1)).ok).toBe(isTaken);
});

test.each([
  [MAX_SIDE_PX - 1, true],
  [MAX_SIDE_PX, true],
  [MAX_SIDE_PX + 1, false],
])("with a side of %i pixels: taken is %s", (side, isTaken) => {
  expect(checkFile(5000, pngHead(side, 1)).ok).toBe(isTaken);
  expect(checkFile(5000, pngHead(1, side)).ok).toBe(isTaken);
});

test.each([
  [MAX_PIXELS / 10_000 - 1, true],
  [MAX_PIXELS / 10_000, true],
  [MAX_PIXELS / 10_000 + 1, false],
])("10,000 pixels by %i: taken is %s", (height, isTaken) => {
  expect(checkFile(5000, pngHead(10_000, height)).ok).toBe(isTaken);
});

test("the size of a JPEG is found behind its other segments", () => {
  const exif = [0xff, 0xe1, 0, 6, 1, 2, 3, 4];
  const fill = [0xff, 0xff, 0xe2, 0, 2];

  expect(readImageSize("image/jpeg", jpegHead(6000, 4000, [...exif, ...fill]))).toEqual({
    width: 6000,
    height: 4000,
  });
});

test("a Huffman table is no frame", () => {
  const table = [0xff, 0xc4, 0, 8, 0, 1, 0, 1, 0, 1];

  expect(readImageSize("image/jpeg", jpegHead(10, 20, table))).toEqual({ width: 10, height: 20 });
});

test.each([
  ["lossy", [0x56, 0x50, 0x38, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x41]],
  ["lossless", [0x56, 0x50, 0x38, 0x4c, 0, 0, 0, 0, 0x2f, 0x7f, 0xc2, 0x77, 0x00, 0, 0, 0, 0, 0]],
  ["extended", [0x56, 0x50, 0x38, 0x58, 10, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0x02, 0, 0xdf, 0x01, 0]],
])("the size of a %s WebP is found", (_, chunk) => {
  expect(readImageSize("image/webp", Uint8Array.from([...RIFF, ...chunk]))).toEqual({
    width: 640,
    height: 480,
  });
});

test("the size of a GIF is its screen's", () => {
  const head = Uint8Array.from([0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x80, 0x02, 0xe0, 0x01, 0, 0, 0]);

  expect(readImageSize("image/gif", head)).toEqual({ width: 640, height: 480 });
});

test("where the head does not say, the server decides", () => {
  expect(
    readImageSize("image/jpeg", Uint8Array.from([0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff, 1, 2, 3, 4, 5])),
  ).toBeNull();
  expect(readImageSize("image/heic", new Uint8Array(64))).toBeNull();
  expect(checkFile(5000, jpegHead(0, 0)).ok).toBe(true);
});

test.each(vectors.vectors)("$name: $reasons", (vector) => {
  const headOf = vector.type === "image/png" ? pngHead : jpegHead;

  const check = checkFile(vector.size, headOf(vector.width, vector.height), CONTEST);

  expect(reasonsOf(check)).toEqual(vector.reasons);
});

test("where the head tells no size, nothing is said of it", () => {
  expect(reasonsOf(checkFile(5000, jpegHead(0, 0), CONTEST))).toEqual([]);
});

function reasonsOf(check: FileCheck): readonly string[] {
  return check.ok ? [] : check.reasons;
}
