// Pure: the first directory of a TIFF, which half of the RAW formats are too.
// TIFF 6.0 section 2; tags of DNG: Adobe DNG specification 1.7, chapter 4.

export type TiffHeader = {
  readonly make: string;
  readonly hasSubDirectories: boolean;
  readonly hasDngVersion: boolean;
  readonly width: number | null;
  readonly height: number | null;
};

const ENTRY_BYTES = 12;
const TAG_WIDTH = 256;
const TAG_HEIGHT = 257;
const TAG_MAKE = 271;
const TAG_SUB_IFDS = 330;
const TAG_DNG_VERSION = 50706;
const TYPE_SHORT = 3;
const NO_FACTS: TiffHeader = {
  make: "",
  hasSubDirectories: false,
  hasDngVersion: false,
  width: null,
  height: null,
};

type Entry = {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly valueOffset: number;
};

/** What of the first directory lies within `head`; empty facts where it lies further on. */
export function readTiffHeader(head: DataView): TiffHeader {
  if (head.byteLength < 8) return NO_FACTS;
  const isLittleEndian = head.getUint16(0) === 0x4949;
  let facts = NO_FACTS;
  for (const entry of entriesOf(head, isLittleEndian)) {
    facts = { ...facts, ...factOf(head, entry, isLittleEndian) };
  }
  return facts;
}

function* entriesOf(head: DataView, isLittleEndian: boolean): Generator<Entry> {
  const start = head.getUint32(4, isLittleEndian);
  if (start + 2 > head.byteLength) return;
  const count = head.getUint16(start, isLittleEndian);
  for (let index = 0; index < count; index += 1) {
    const offset = start + 2 + index * ENTRY_BYTES;
    if (offset + ENTRY_BYTES > head.byteLength) return;
    yield {
      tag: head.getUint16(offset, isLittleEndian),
      type: head.getUint16(offset + 2, isLittleEndian),
      count: head.getUint32(offset + 4, isLittleEndian),
      valueOffset: offset + 8,
    };
  }
}

function factOf(head: DataView, entry: Entry, isLittleEndian: boolean): Partial<TiffHeader> {
  switch (entry.tag) {
    case TAG_WIDTH:
      return { width: wholeNumber(head, entry, isLittleEndian) };
    case TAG_HEIGHT:
      return { height: wholeNumber(head, entry, isLittleEndian) };
    case TAG_MAKE:
      return { make: text(head, entry, isLittleEndian) };
    case TAG_SUB_IFDS:
      return { hasSubDirectories: true };
    case TAG_DNG_VERSION:
      return { hasDngVersion: true };
    default:
      return {};
  }
}

function wholeNumber(head: DataView, entry: Entry, isLittleEndian: boolean): number {
  return entry.type === TYPE_SHORT
    ? head.getUint16(entry.valueOffset, isLittleEndian)
    : head.getUint32(entry.valueOffset, isLittleEndian);
}

function text(head: DataView, entry: Entry, isLittleEndian: boolean): string {
  const start = entry.count <= 4 ? entry.valueOffset : head.getUint32(entry.valueOffset, isLittleEndian);
  const end = Math.min(start + entry.count, head.byteLength);
  let letters = "";
  for (let index = start; index < end && head.getUint8(index) !== 0; index += 1) {
    letters += String.fromCharCode(head.getUint8(index));
  }
  return letters;
}
