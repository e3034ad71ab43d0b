// Pure: why a file is not done. Codes are the wire's; the sentences are made in ui/.

export type Failure = {
  readonly code: string;
  readonly retryable: boolean;
  /** The photo that is already there, with `duplicate`. */
  readonly photoId: string | null;
};

/** Failures the engine finds by itself; the server's bring their own `retryable`. */
const RETRYABLE_HERE: Readonly<Record<string, boolean>> = {
  expired: true,
  lane_unsupported: false,
  malformed_answer: true,
  server_error: true,
  storage_unavailable: true,
};

export function failureHere(code: string): Failure {
  return { code, retryable: RETRYABLE_HERE[code] ?? false, photoId: null };
}

/** The gallery itself is gone: nothing of it goes on, and a person decides what becomes of the files. */
export type GoneCode = "gallery_deleted" | "gallery_gone";

/** A gallery that was deleted comes back for a while, and its files can go on. */
export function goneFailure(code: GoneCode): Failure {
  return { code, retryable: code === "gallery_deleted", photoId: null };
}

export function isGone(code: string): code is GoneCode {
  return code === "gallery_deleted" || code === "gallery_gone";
}

/** What a refusal of the whole gallery means for its files; null where it may pass. */
export function goneCodeOf({ code }: Failure): GoneCode | null {
  if (code === "gallery_deleted") return code;
  return code === "not_found" || code === "forbidden" ? "gallery_gone" : null;
}

/** The bytes in the store are not the file's: sent again without asking, this many times. */
export const MAX_RESENDS = 2;
const RESENT_CODES: ReadonlySet<string> = new Set([
  "object_missing",
  "size_mismatch",
  "checksum_mismatch",
  "parts_missing",
]);

export function isResent(code: string): boolean {
  return RESENT_CODES.has(code);
}

/** The server no longer has, or never had, a row to go on with: the file is registered anew. */
const REGISTERED_ANEW: ReadonlySet<string> = new Set(["expired", "cancelled", "not_found"]);

export function isRegisteredAnew(code: string): boolean {
  return REGISTERED_ANEW.has(code);
}
