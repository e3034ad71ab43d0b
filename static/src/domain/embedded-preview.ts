// Pure: where a photo's file keeps a small JPEG of itself, and which way up it is. Read from its first bytes.
// Exif 2.32 (CIPA DC-008), section 4.5; TIFF 6.0, section 2; tags of DNG: Adobe DNG specification 1.7, chapter 4.
import {
  directoryAt,
  firstDirectory,
  MAX_VALUES,
  numbersOf,
  type Tiff,
  type TiffDirectory,
  tiffAt,
} from "./tiff.ts";

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
  const tiff = tiffAt(view, start);
  if (tiff === null) return null;
  const directories = directoriesOf(tiff);
  const orientation = orientationOf(directories[0]);
  const found = directories.flatMap((tags) => previewIn(tiff, tags, orientation) ?? []);
  // The smallest will do, and costs the least.
  return found.sort((one, other) => one.bytes - other.bytes)[0] ?? null;
}

function directoriesOf(tiff: Tiff): readonly Tags[] {
  const first = firstDirectory(tiff);
  if (first.next === null) return [];
  const tags = tagsOf(tiff, first);
  const others = [first.next, ...(tags.get(TAG_SUB_IFDS) ?? [])].slice(0, MAX_DIRECTORIES);
  const directories = others.map((at) => directoryAt(tiff, at)).filter(({ next }) => next !== null);
  return [tags, ...directories.map((directory) => tagsOf(tiff, directory))];
}

function tagsOf(tiff: Tiff, { entries }: TiffDirectory): Tags {
  return new Map(entries.map((entry) => [entry.tag, numbersOf(tiff, entry)]));
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
