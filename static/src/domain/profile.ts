// Pure: what a gallery takes. Mirrors uploads/profile.py; a value that equals a bound is within it.
import { MAX_FILE_BYTES, MAX_GALLERY_PHOTOS, MAX_PIXELS, MAX_SIDE_PX } from "./limits.ts";
import { MEDIA_TYPES } from "./sniff.ts";

export type Profile = {
  /** As on the wire: a type that this version does not know stays named. */
  readonly mediaTypes: readonly string[];
  readonly maxFileBytes: number;
  /** Width × height. */
  readonly minPixels: number;
  readonly maxPixels: number;
  readonly maxSidePx: number;
  readonly maxPhotos: number;
};

/** What the product takes where a gallery says nothing else. */
export const WIDEST_PROFILE: Profile = {
  mediaTypes: MEDIA_TYPES,
  maxFileBytes: MAX_FILE_BYTES,
  minPixels: 1,
  maxPixels: MAX_PIXELS,
  maxSidePx: MAX_SIDE_PX,
  maxPhotos: MAX_GALLERY_PHOTOS,
};
