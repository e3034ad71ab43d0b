// Pure: where a photo's file keeps a small JPEG of itself, and which way up it is. Read from its first bytes.
// Exif 2.32 (CIPA DC-008), section 4.5; TIFF 6.0, section 2; tags of DNG: Adobe DNG specification 1.7, chapter 4.

/** 1 to 8, as Exif numbers them: 1 is upright, 6 is turned right by a quarter to be upright. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

export type EmbeddedPreview = {
  /** Where in the file it begins; perhaps beyond the bytes that were read. */
  readonly at: number;
  readonly bytes: number;
  /** How to turn it; null where it says so itself. */
  readonly orientation: Orientation | null;
};

type Tags = ReadonlyMap<number, readonly number[]>;
type Tiff = { readonly view: DataView; readonly start: number; readonly isLittleEndian: boolean };

const TAG_SUBFILE_TYPE = 254;
const TAG_COMPRESSION = 259;
const TAG_STRIP_OFFSETS = 273;
const TAG_ORIENTATION = 274;
const TAG_STRIP_BYTES = 279;
const TAG_SUB_IFDS = 330;
const TAG_JPEG_AT = 513;
const TAG_JPEG_BYTES = 514;
const REDUCED_IMAGE = 1;
const JPEG_COMPRESSIONS: ReadonlySet<number> = new Set([6, 7]);

const ENTRY_BYTES = 12;
/** SHORT and LONG: nothing else is needed of any tag. */
const BYTES_OF_TYPE: ReadonlyMap<number, number> = new Map([
  [3, 2],
  [4, 4],
]);
/** A broken count must not become a long loop. */
const MAX_VALUES = 16;
/** The directories of a RAW file: two in a row, and those below the first. */
const MAX_DIRECTORIES = 2 + MAX_VALUES;
/** A preview as large as the photo is no saving. */
const MAX_PREVIEW_BYTES = 4 * 1024 * 1024;
const RAF_JPEG_AT = 84;

/** Null where there is none, or where the first bytes do not say. */
export function findEmbeddedPreview(head: Uint8Array): EmbeddedPreview | null {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.byteLength < RAF_JPEG_AT + 8) return null;
  switch (view.getUint16(0)) {
    case 0xffd8:
      return fromExif(view);
    case 0x4949:
    case 0x4d4d:
      return fromTiff(view, 0);
    default:
      return view.getUint32(0) === 0x46554a49 ? fromRaf(view) : null; // "FUJI"
  }
}

/** Photos of Fuji's cameras name a whole JPEG, which has an Exif of its own. */
function fromRaf(view: DataView): EmbeddedPreview | null {
  return previewOf(view.getUint32(RAF_JPEG_AT), view.getUint32(RAF_JPEG_AT + 4), null);
}

/** The first APP1 segment that begins "Exif\0\0". */
function fromExif(view: DataView): EmbeddedPreview | null {
  let offset = 2;
  while (offset + 18 <= view.byteLength && view.getUint8(offset) === 0xff) {
    const marker = view.getUint8(offset + 1);
    if (marker === 0xda) return null;
    if (marker === 0xe1 && view.getUint32(offset + 4) === 0x45786966) return fromTiff(view, offset + 10);
    offset += 2 + view.getUint16(offset + 2);
  }
  return null;
}

function fromTiff(view: DataView, start: number): EmbeddedPreview | null {
  const tiff = { view, start, isLittleEndian: view.getUint16(start) === 0x4949 };
  const directories = directoriesOf(tiff);
  const orientation = orientationOf(directories[0]);
  const found = directories.flatMap((tags) => previewIn(tiff, tags, orientation) ?? []);
  // The smallest will do, and costs the least.
  return found.sort((one, other) => one.bytes - other.bytes)[0] ?? null;
}

function directoriesOf(tiff: Tiff): readonly Tags[] {
  const { view, start, isLittleEndian } = tiff;
  const first = readDirectory(tiff, view.getUint32(start + 4, isLittleEndian));
  if (first === null) return [];
  const below = first.tags.get(TAG_SUB_IFDS) ?? [];
  return [
    first.tags,
    ...[first.next, ...below].slice(0, MAX_DIRECTORIES).flatMap((at) => readDirectory(tiff, at)?.tags ?? []),
  ];
}

/** Null where it does not lie whole within what was read. */
function readDirectory(tiff: Tiff, at: number): { readonly tags: Tags; readonly next: number } | null {
  const { view, start, isLittleEndian } = tiff;
  const offset = start + at;
  if (at === 0 || offset + 2 > view.byteLength) return null;
  const end = offset + 2 + view.getUint16(offset, isLittleEndian) * ENTRY_BYTES;
  if (end + 4 > view.byteLength) return null;
  const tags = new Map<number, readonly number[]>();
  for (let entry = offset + 2; entry < end; entry += ENTRY_BYTES) {
    tags.set(view.getUint16(entry, isLittleEndian), valuesOf(tiff, entry));
  }
  return { tags, next: view.getUint32(end, isLittleEndian) };
}

function valuesOf({ view, start, isLittleEndian }: Tiff, entry: number): readonly number[] {
  const size = BYTES_OF_TYPE.get(view.getUint16(entry + 2, isLittleEndian)) ?? 0;
  const count = Math.min(MAX_VALUES, view.getUint32(entry + 4, isLittleEndian));
  const at = count * size <= 4 ? entry + 8 : start + view.getUint32(entry + 8, isLittleEndian);
  if (size === 0 || at + count * size > view.byteLength) return [];
  return Array.from({ length: count }, (_, index) =>
    size === 2
      ? view.getUint16(at + index * size, isLittleEndian)
      : view.getUint32(at + index * size, isLittleEndian),
  );
}

function orientationOf(tags: Tags | undefined): Orientation {
  const [value = 1] = tags?.get(TAG_ORIENTATION) ?? [];
  return value >= 1 && value <= 8 ? (value as Orientation) : 1;
}

function previewIn({ start }: Tiff, tags: Tags, orientation: Orientation): EmbeddedPreview | null {
  const at = tags.get(TAG_JPEG_AT)?.[0];
  const bytes = tags.get(TAG_JPEG_BYTES)?.[0];
  if (at !== undefined && bytes !== undefined) return previewOf(start + at, bytes, orientation);
  return isReducedJpeg(tags) ? stripOf(start, tags, orientation) : null;
}

/** The preview of a DNG: one strip of a directory that says it is a smaller picture. */
function isReducedJpeg(tags: Tags): boolean {
  const [compression = 0] = tags.get(TAG_COMPRESSION) ?? [];
  return tags.get(TAG_SUBFILE_TYPE)?.[0] === REDUCED_IMAGE && JPEG_COMPRESSIONS.has(compression);
}

function stripOf(start: number, tags: Tags, orientation: Orientation): EmbeddedPreview | null {
  const [at, another] = tags.get(TAG_STRIP_OFFSETS) ?? [];
  const [bytes] = tags.get(TAG_STRIP_BYTES) ?? [];
  if (at === undefined || bytes === undefined || another !== undefined) return null;
  return previewOf(start + at, bytes, orientation);
}

function previewOf(at: number, bytes: number, orientation: Orientation | null): EmbeddedPreview | null {
  return at > 0 && bytes > 0 && bytes <= MAX_PREVIEW_BYTES ? { at, bytes, orientation } : null;
}
