// Pure: everything that speaks against a chosen file, all at once, before a byte of it is sent.
import { readImageSize } from "./image-size.ts";
import type { Profile } from "./profile.ts";
import { type MediaType, sniff } from "./sniff.ts";

export type CheckReason =
  | "empty_file"
  | "file_too_large"
  | "not_an_image"
  | "type_not_taken"
  | "too_few_pixels"
  | "too_many_pixels"
  | "too_long_side";

export type FileCheck =
  | { readonly ok: true; readonly type: MediaType }
  | { readonly ok: false; readonly reasons: readonly CheckReason[] };

export function checkFile(fileBytes: number, head: Uint8Array, profile: Profile): FileCheck {
  if (fileBytes === 0) return { ok: false, reasons: ["empty_file"] };
  const type = sniff(head);
  const reasons: CheckReason[] = [];
  if (fileBytes > profile.maxFileBytes) reasons.push("file_too_large");
  if (type === null) return { ok: false, reasons: [...reasons, "not_an_image"] };
  if (!profile.mediaTypes.includes(type)) reasons.push("type_not_taken");
  reasons.push(...sizeReasons(type, head, profile));
  return reasons.length === 0 ? { ok: true, type } : { ok: false, reasons };
}

function sizeReasons(type: MediaType, head: Uint8Array, profile: Profile): CheckReason[] {
  const size = readImageSize(type, head);
  if (size === null) return [];
  const pixels = size.width * size.height;
  const reasons: CheckReason[] = [];
  if (pixels < profile.minPixels) reasons.push("too_few_pixels");
  if (pixels > profile.maxPixels) reasons.push("too_many_pixels");
  if (Math.max(size.width, size.height) > profile.maxSidePx) reasons.push("too_long_side");
  return reasons;
}
