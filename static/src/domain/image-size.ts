// Pure: width and height from a file's first bytes, where its format writes them there. Never decodes.
import type { MediaType } from "./sniff.ts";
import { readTiffHeader } from "./tiff-header.ts";

export type ImageSize = { readonly width: number; readonly height: number };

/** Null where the head does not say: the server, which has the whole file, decides then. */
export function readImageSize(type: MediaType, head: Uint8Array): ImageSize | null {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  switch (type) {
    case "image/jpeg":
      return jpegSize(view);
    case "image/png":
      return view.byteLength < 24 ? null : sizeOf(view.getUint32(16), view.getUint32(20));
    case "image/gif":
      return view.byteLength < 10 ? null : sizeOf(view.getUint16(6, true), view.getUint16(8, true));
    case "image/webp":
      return webpSize(view);
    case "image/tiff":
      return tiffSize(view);
    default:
      return null;
  }
}

function sizeOf(width: number, height: number): ImageSize | null {
  return width > 0 && height > 0 ? { width, height } : null;
}

function tiffSize(view: DataView): ImageSize | null {
  const { width, height } = readTiffHeader(view);
  return width === null || height === null ? null : sizeOf(width, height);
}

/** ITU-T T.81, B.1.1.3: SOF0..SOF15 without DHT (c4), JPG (c8) and DAC (cc) begin a frame. */
function isStartOfFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function jpegSize(view: DataView): ImageSize | null {
  let offset = 2;
  while (offset + 9 <= view.byteLength && view.getUint8(offset) === 0xff) {
    const marker = view.getUint8(offset + 1);
    if (isStartOfFrame(marker)) return sizeOf(view.getUint16(offset + 7), view.getUint16(offset + 5));
    offset += segmentBytes(view, offset, marker);
  }
  return null;
}

/** Fill bytes and the markers without a length stand alone (T.81, B.1.1.2 and table B.1). */
function segmentBytes(view: DataView, offset: number, marker: number): number {
  if (marker === 0xff) return 1;
  const isAlone = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
  return isAlone ? 2 : 2 + view.getUint16(offset + 2);
}

/** https://developers.google.com/speed/webp/docs/riff_container and RFC 6386, section 9.1 */
function webpSize(view: DataView): ImageSize | null {
  if (view.byteLength < 30) return null;
  switch (view.getUint32(12)) {
    case 0x56503820: // "VP8 ": 14 bits each, behind the frame tag and the start code
      return sizeOf(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
    case 0x5650384c: {
      // "VP8L": 14 bits each, less one, behind the signature byte
      const bits = view.getUint32(21, true);
      return sizeOf((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1);
    }
    case 0x56503858: // "VP8X": 24 bits each, less one
      return sizeOf(uint24(view, 24) + 1, uint24(view, 27) + 1);
    default:
      return null;
  }
}

function uint24(view: DataView, offset: number): number {
  return view.getUint16(offset, true) | (view.getUint8(offset + 2) << 16);
}
