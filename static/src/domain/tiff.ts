// Pure: the directories of a TIFF, which half of the RAW formats and every Exif are too. TIFF 6.0, section 2.

/** `start`: where it begins within the bytes; all of its own offsets count from there. */
export type Tiff = { readonly view: DataView; readonly start: number; readonly isLittleEndian: boolean };

export type TiffEntry = {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly at: number;
};

/** What of a directory lies within the bytes that were read: all of it, with the place of the next, or its beginning. */
export type TiffDirectory = { readonly entries: readonly TiffEntry[]; readonly next: number | null };

const HEADER_BYTES = 8;
const ENTRY_BYTES = 12;
/** SHORT and LONG: no number that is wanted has another type. */
const BYTES_OF_TYPE: ReadonlyMap<number, number> = new Map([
  [3, 2],
  [4, 4],
]);
/** A broken count must not become a long loop. */
export const MAX_VALUES = 16;
const MAX_LETTERS = 200;

/** Null where not even the header was read. */
export function tiffAt(view: DataView, start: number): Tiff | null {
  if (start + HEADER_BYTES > view.byteLength) return null;
  return { view, start, isLittleEndian: view.getUint16(start) === 0x4949 };
}

export function firstDirectory(tiff: Tiff): TiffDirectory {
  return directoryAt(tiff, tiff.view.getUint32(tiff.start + 4, tiff.isLittleEndian));
}

export function directoryAt(tiff: Tiff, at: number): TiffDirectory {
  const { view, isLittleEndian } = tiff;
  const offset = tiff.start + at;
  if (at === 0 || offset + 2 > view.byteLength) return { entries: [], next: null };
  const told = view.getUint16(offset, isLittleEndian);
  const count = Math.min(told, Math.floor((view.byteLength - offset - 2) / ENTRY_BYTES));
  const entries = Array.from({ length: count }, (_, index) =>
    entryAt(tiff, offset + 2 + index * ENTRY_BYTES),
  );
  const end = offset + 2 + told * ENTRY_BYTES;
  return { entries, next: end + 4 > view.byteLength ? null : view.getUint32(end, isLittleEndian) };
}

function entryAt({ view, isLittleEndian }: Tiff, at: number): TiffEntry {
  return {
    tag: view.getUint16(at, isLittleEndian),
    type: view.getUint16(at + 2, isLittleEndian),
    count: view.getUint32(at + 4, isLittleEndian),
    at,
  };
}

/** Empty where the entry holds no whole numbers, or where they lie further on. */
export function numbersOf(tiff: Tiff, entry: TiffEntry): readonly number[] {
  const { view, isLittleEndian } = tiff;
  const size = BYTES_OF_TYPE.get(entry.type) ?? 0;
  const count = Math.min(MAX_VALUES, entry.count);
  const at = valueAt(tiff, entry, count * size);
  if (size === 0 || at + count * size > view.byteLength) return [];
  return Array.from({ length: count }, (_, index) =>
    size === 2
      ? view.getUint16(at + index * size, isLittleEndian)
      : view.getUint32(at + index * size, isLittleEndian),
  );
}

/** As far as it was read, and up to its end mark. */
export function textOf(tiff: Tiff, entry: TiffEntry): string {
  const { view } = tiff;
  const start = valueAt(tiff, entry, entry.count);
  const end = Math.min(start + Math.min(entry.count, MAX_LETTERS), view.byteLength);
  let letters = "";
  for (let index = start; index < end && view.getUint8(index) !== 0; index += 1) {
    letters += String.fromCharCode(view.getUint8(index));
  }
  return letters;
}

/** Four bytes fit into the entry itself; whatever is longer lies elsewhere. */
function valueAt({ view, start, isLittleEndian }: Tiff, { at }: TiffEntry, bytes: number): number {
  return bytes <= 4 ? at + 8 : start + view.getUint32(at + 8, isLittleEndian);
}
