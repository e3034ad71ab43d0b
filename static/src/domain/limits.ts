// Pure. Mirrors uploads/limits.py.
import { GIB, KIB, MIB } from "../kernel/units.ts";

/** S3 refuses a smaller part that is not the last: docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const MIN_PART_BYTES = 5 * MIB;
/** A file up to this size goes up in one request; larger ones in parts of at least this size. */
export const PREFERRED_PART_BYTES = 8 * MIB;
/** S3's own limit, same page. */
export const MAX_PART_COUNT = 10_000;

export const MAX_FILE_BYTES = 2 * GIB;
/** Width × height × frames. A 102-MP medium format frame is 11,648 × 8,736. */
export const MAX_PIXELS = 110_000_000;
export const MAX_SIDE_PX = 30_000;
export const MAX_GALLERY_PHOTOS = 5000;

/** Items in one call of the API. */
export const MAX_BATCH_ITEMS = 100;
/** Uploads in one progress message. */
export const MAX_REPORT_ITEMS = 100;
/** Signed URLs in one answer. */
export const MAX_SIGNATURES = 1000;
export const MAX_CLIENT_ID_LENGTH = 64;
/** An editor's notes about one photo (XMP). */
export const MAX_SIDECAR_BYTES = 512 * KIB;
export const MAX_SIDECARS = 4;
/** How much of a file is read to know what it is. */
export const INSPECTED_BYTES = 64 * KIB;
