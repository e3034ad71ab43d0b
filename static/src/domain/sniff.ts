// Pure: first bytes -> real media type. Twin of uploads/sniff.py; tests/vectors/sniff.json keeps both honest.
import { readTiffHeader } from "./tiff-header.ts";

/** What the gallery takes, by content. The name of a file and the type a browser claims count for nothing. */
export const MEDIA_TYPES = [
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/gif",
  "image/avif",
  "image/tiff",
  "image/heic",
  "image/heif",
  "image/x-canon-cr2",
  "image/x-canon-cr3",
  "image/x-nikon-nef",
  "image/x-sony-arw",
  "image/x-adobe-dng",
  "image/x-fuji-raf",
  "image/x-olympus-orf",
  "image/x-panasonic-rw2",
] as const;
export type MediaType = (typeof MEDIA_TYPES)[number];

type Signature = { readonly at: number; readonly bytes: string; readonly type: MediaType };

/** Read in order; the longer of two that begin alike comes first. Bytes are written as Latin-1 letters. */
const SIGNATURES: readonly Signature[] = [
  { at: 0, bytes: "\xff\xd8\xff", type: "image/jpeg" },
  { at: 0, bytes: "\x89PNG\r\n\x1a\n", type: "image/png" },
  { at: 0, bytes: "GIF87a", type: "image/gif" },
  { at: 0, bytes: "GIF89a", type: "image/gif" },
  { at: 0, bytes: "FUJIFILMCCD-RAW", type: "image/x-fuji-raf" },
  { at: 0, bytes: "IIRO", type: "image/x-olympus-orf" },
  { at: 0, bytes: "IIRS", type: "image/x-olympus-orf" },
  { at: 0, bytes: "MMOR", type: "image/x-olympus-orf" },
  { at: 0, bytes: "IIU\0", type: "image/x-panasonic-rw2" },
];

const AVIF_BRANDS = new Set(["avif", "avis"]);
/** ISO/IEC 23008-12, annex B: HEVC-coded still images and sequences. */
const HEIC_BRANDS = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]);
/** The same annex: the structure alone, whatever codes the pixels. */
const GENERAL_HEIF_BRANDS = new Set(["mif1", "mif2", "msf1"]);

export function sniff(head: Uint8Array): MediaType | null {
  const signature = SIGNATURES.find(({ at, bytes }) => latin1(head, at, bytes.length) === bytes);
  if (signature !== undefined) return signature.type;
  if (latin1(head, 0, 4) === "RIFF" && latin1(head, 8, 4) === "WEBP") return "image/webp";
  if (latin1(head, 4, 4) === "ftyp") return sniffBrands(head);
  const order = latin1(head, 0, 4);
  return order === "II*\0" || order === "MM\0*" ? sniffTiff(head) : null;
}

function sniffBrands(head: Uint8Array): MediaType | null {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const boxEnd = Math.min(view.getUint32(0), head.length);
  const brands = [latin1(head, 8, 4)];
  for (let offset = 16; offset + 4 <= boxEnd; offset += 4) brands.push(latin1(head, offset, 4));
  if (brands[0] === "crx ") return "image/x-canon-cr3";
  if (brands.some((brand) => AVIF_BRANDS.has(brand))) return "image/avif";
  if (brands.some((brand) => HEIC_BRANDS.has(brand))) return "image/heic";
  return brands.some((brand) => GENERAL_HEIF_BRANDS.has(brand)) ? "image/heif" : null;
}

function sniffTiff(head: Uint8Array): MediaType {
  if (latin1(head, 8, 2) === "CR") return "image/x-canon-cr2";
  const facts = readTiffHeader(new DataView(head.buffer, head.byteOffset, head.byteLength));
  if (facts.hasDngVersion) return "image/x-adobe-dng";
  // A scanner's TIFF names its maker too; only a camera's RAW keeps its pixels in sub-directories.
  if (!facts.hasSubDirectories) return "image/tiff";
  if (facts.make.startsWith("NIKON")) return "image/x-nikon-nef";
  return facts.make.startsWith("SONY") ? "image/x-sony-arw" : "image/tiff";
}

/** The bytes as letters, shorter where the head ends before. */
function latin1(head: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...head.subarray(at, at + length));
}
