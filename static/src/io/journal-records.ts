// What the journal holds, and how what is read is known to be ours: who can write on this disk can write anything.
import type { RememberedEnd } from "../domain/file-machine.ts";
import type { MediaType } from "../domain/sniff.ts";

export type FileKey = { readonly galleryId: string; readonly clientId: string };

/** What is written down of one file. */
export type FileRecord = FileKey & {
  /** Its place in the order in which files were chosen. */
  readonly order: number;
  readonly name: string;
  readonly relativePath: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
  readonly type: MediaType | null;
  readonly uploadId: string | null;
  readonly rootId: string | null;
  readonly allowsDuplicate: boolean;
  /** Paused in a gallery that is not, or the other way round. Absent where it was written before there was this. */
  readonly isException?: boolean;
  /** Absent where it was written before there were any. */
  readonly sidecars?: readonly SidecarRecord[];
  /** Null while it is not over. */
  readonly end: RememberedEnd | null;
};

/** What is written down of an editor's notes (XMP) about a file. */
export type SidecarRecord = {
  /** Of one file no two have the same. */
  readonly name: string;
  readonly relativePath: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
  /** Null while they are to be sent. */
  readonly end: SidecarEnd | null;
};
export type SidecarEnd =
  /** Beside the photo of this upload. */
  | { readonly kind: "kept"; readonly crc32: string; readonly uploadId: string }
  | { readonly kind: "refused"; readonly code: string };

export type GalleryRecord = {
  readonly id: string;
  readonly title: string;
  readonly isPaused: boolean;
  /** Wall clock. */
  readonly endedAtMs: number | null;
};

/** A folder or file that was dropped; its permission has to be asked for again in a later visit. */
export type RootRecord = { readonly id: string; readonly handle: FileSystemHandle };

/** Its bytes are still needed: it is not over, or goes on once its gallery is brought back. */
export function mayGoOn({ end }: FileRecord): boolean {
  return end === null || (end.kind === "refused" && end.failure.retryable);
}

export function isFileRecord(value: unknown): value is FileRecord {
  if (!isObject(value)) return false;
  return (
    ["galleryId", "clientId", "name", "relativePath"].every((field) => typeof value[field] === "string") &&
    ["order", "sizeBytes", "lastModifiedMs"].every((field) => Number.isFinite(value[field])) &&
    ["type", "uploadId", "rootId"].every((field) => isTextOrNull(value[field])) &&
    typeof value["allowsDuplicate"] === "boolean" &&
    ["boolean", "undefined"].includes(typeof value["isException"]) &&
    (value["sidecars"] === undefined || isListOf(value["sidecars"], isSidecarRecord)) &&
    (value["end"] === null || isEnd(value["end"]))
  );
}

function isSidecarRecord(value: unknown): value is SidecarRecord {
  return (
    isObject(value) &&
    ["name", "relativePath"].every((field) => typeof value[field] === "string") &&
    ["sizeBytes", "lastModifiedMs"].every((field) => Number.isFinite(value[field])) &&
    (value["end"] === null || isSidecarEnd(value["end"]))
  );
}

function isSidecarEnd(value: unknown): value is SidecarEnd {
  if (!isObject(value)) return false;
  const isKept = value["kind"] === "kept" && [value["crc32"], value["uploadId"]].every(isText);
  return isKept || (value["kind"] === "refused" && typeof value["code"] === "string");
}

function isEnd(value: unknown): value is RememberedEnd {
  if (!isObject(value)) return false;
  const isDone =
    value["kind"] === "done" && isTextOrNull(value["photoId"]) && typeof value["isDuplicate"] === "boolean";
  const isInvalid = value["kind"] === "invalid" && isTexts(value["reasons"]);
  const isRefused = value["kind"] === "refused" && isFailure(value["failure"]);
  return isDone || isInvalid || isRefused || value["kind"] === "removed";
}

function isFailure(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value["code"] === "string" &&
    typeof value["retryable"] === "boolean" &&
    isTextOrNull(value["photoId"])
  );
}

export function isGalleryRecord(value: unknown): value is GalleryRecord {
  if (!isObject(value)) return false;
  const { id, title, isPaused, endedAtMs } = value;
  return (
    typeof id === "string" &&
    typeof title === "string" &&
    typeof isPaused === "boolean" &&
    (endedAtMs === null || Number.isFinite(endedAtMs))
  );
}

export function isRootRecord(value: unknown): value is RootRecord {
  return isObject(value) && isObject(value["handle"]) && typeof value["handle"]["kind"] === "string";
}

function isTexts(value: unknown): boolean {
  return isListOf(value, isText);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isListOf(value: unknown, isOne: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isOne);
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
