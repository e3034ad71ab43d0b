import { SECOND_MS } from "../kernel/units.ts";
import { within } from "../kernel/within.ts";

/**
 * Bytes of a file, and where they lie: whoever sends them may take them from there. A whole file is itself the piece: of
 * that alone Chromium tells the network process where it is, which then reads it without the browser (2026, Chromium 156).
 */
export type ReadPiece = { readonly bytes: ArrayBuffer; readonly piece: Blob };

/** A network drive that has gone answers never; what waits behind it must go on. */
export const READ_WITHIN_MS = 60 * SECOND_MS;

/** As `readPiece`. */
export async function readBytes(
  source: Blob,
  offset: number,
  bytes: number,
  withinMs = READ_WITHIN_MS,
): Promise<ArrayBuffer | null> {
  const read = await readPiece(source, offset, bytes, withinMs);
  return read?.bytes ?? null;
}

/** Null where the disk no longer gives these bytes: the card was pulled, the file moved or changed, or it hangs. */
export async function readPiece(
  source: Blob,
  offset: number,
  bytes: number,
  withinMs = READ_WITHIN_MS,
): Promise<ReadPiece | null> {
  try {
    const isWhole = offset === 0 && bytes === source.size;
    const piece = isWhole ? source : source.slice(offset, offset + bytes);
    const buffer = await within(withinMs, piece.arrayBuffer());
    return buffer?.byteLength === bytes ? { bytes: buffer, piece } : null;
  } catch {
    return null;
  }
}
