import { SECOND_MS } from "../kernel/units.ts";
import { within } from "../kernel/within.ts";

/** What the engine reads of a chosen file. */
export interface ByteSource {
  readonly size: number;
  slice(from: number, to: number): Blob;
}

/** A network drive that has gone answers never; what waits behind it must go on. */
export const READ_WITHIN_MS = 60 * SECOND_MS;

/** Null where the disk no longer gives these bytes: the card was pulled, the file moved or changed, or it hangs. */
export async function readBytes(
  source: ByteSource,
  offset: number,
  bytes: number,
  withinMs = READ_WITHIN_MS,
): Promise<ArrayBuffer | null> {
  try {
    const buffer = await within(withinMs, source.slice(offset, offset + bytes).arrayBuffer());
    return buffer?.byteLength === bytes ? buffer : null;
  } catch {
    return null;
  }
}
