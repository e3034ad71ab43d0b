// Pure: everything that speaks against a chosen file, all at once, before a byte of it is sent.
import { readImageSize } from "./image-size.ts";
import { MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE_PX } from "./limits.ts";
import { type MediaType, sniff } from "./sniff.ts";

export type CheckReason =
  | "empty_file"
  | "file_too_large"
  | "not_an_image"
  | "too_many_pixels"
  | "too_long_side";

export type FileCheck =
  | { readonly ok: true; readonly type: MediaType }
  | { readonly ok: false; readonly reasons: readonly CheckReason[] };

export function checkFile(fileBytes: number, head: Uint8Array): FileCheck {
  if (fileBytes === 0) return { ok: false, reasons: ["empty_file"] };
  const type = sniff(head);
  const reasons: CheckReason[] = [];
  if (fileBytes > MAX_FILE_BYTES) reasons.push("file_too_large");
  if (type === null) return { ok: false, reasons: [...reasons, "not_an_image"] };
  reasons.push(...sizeReasons(type, head));
  return reasons.length === 0 ? { ok: true, type } : { ok: false, reasons };
}

function sizeReasons(type: MediaType, head: Uint8Array): CheckReason[] {
  const size = readImageSize(type, head);
  if (size === null) return [];
  const reasons: CheckReason[] = [];
  if (size.width * size.height > MAX_PIXELS) reasons.push("too_many_pixels");
  if (Math.max(size.width, size.height) > MAX_SIDE_PX) reasons.push("too_long_side");
  return reasons;
}
