/** What the engine reads of a chosen file. */
export interface ByteSource {
  readonly size: number;
  slice(from: number, to: number): Blob;
}

/** Null where the disk no longer gives these bytes: the card was pulled, the file moved or changed. */
export async function readBytes(
  source: ByteSource,
  offset: number,
  bytes: number,
): Promise<ArrayBuffer | null> {
  try {
    const buffer = await source.slice(offset, offset + bytes).arrayBuffer();
    return buffer.byteLength === bytes ? buffer : null;
  } catch {
    return null;
  }
}
