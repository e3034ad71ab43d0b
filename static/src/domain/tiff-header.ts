// Pure: what the first directory of a TIFF says of the whole file. Tags: TIFF 6.0, section 8; Adobe DNG 1.7, chapter 4.
import { firstDirectory, numbersOf, type Tiff, type TiffEntry, textOf, tiffAt } from "./tiff.ts";

export type TiffHeader = {
  readonly make: string;
  readonly hasSubDirectories: boolean;
  readonly hasDngVersion: boolean;
  readonly width: number | null;
  readonly height: number | null;
};

const TAG_WIDTH = 256;
const TAG_HEIGHT = 257;
const TAG_MAKE = 271;
const TAG_SUB_IFDS = 330;
const TAG_DNG_VERSION = 50706;
const NO_FACTS: TiffHeader = {
  make: "",
  hasSubDirectories: false,
  hasDngVersion: false,
  width: null,
  height: null,
};

/** What of the first directory lies within `head`; empty facts where it lies further on. */
export function readTiffHeader(head: DataView): TiffHeader {
  const tiff = tiffAt(head, 0);
  if (tiff === null) return NO_FACTS;
  return Object.assign({}, NO_FACTS, ...firstDirectory(tiff).entries.map((entry) => factOf(tiff, entry)));
}

function factOf(tiff: Tiff, entry: TiffEntry): Partial<TiffHeader> {
  switch (entry.tag) {
    case TAG_WIDTH:
      return { width: numbersOf(tiff, entry)[0] ?? null };
    case TAG_HEIGHT:
      return { height: numbersOf(tiff, entry)[0] ?? null };
    case TAG_MAKE:
      return { make: textOf(tiff, entry) };
    case TAG_SUB_IFDS:
      return { hasSubDirectories: true };
    case TAG_DNG_VERSION:
      return { hasDngVersion: true };
    default:
      return {};
  }
}
