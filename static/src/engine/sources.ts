import { READ_WITHIN_MS, type ReadPiece, readPiece } from "../io/file-bytes.ts";
import { within } from "../kernel/within.ts";
import type { FileEntry } from "./catalogue.ts";

/** Finds a file's bytes where they were kept; `ask` where only a person can give the permission to read it again. */
export type FindKept = (entry: FileEntry) => Promise<Blob | "ask" | null>;

/** Reads files from where they are: the disk they were chosen on, else what this browser kept of them. */
export class Sources {
  readonly #findKept: FindKept;
  readonly #found = new WeakSet<Blob>();

  constructor(findKept: FindKept) {
    this.#findKept = findKept;
  }

  /** Null where nothing gives these bytes any more. */
  async read(entry: FileEntry, offset: number, bytes: number): Promise<ReadPiece | null> {
    const chosen = entry.file;
    const first = chosen === null ? null : await readPiece(chosen, offset, bytes);
    if (first !== null) return first;
    const found = await this.find(entry, chosen);
    return found === null ? null : await readPiece(found, offset, bytes);
  }

  /** The card was pulled, or the browser started again: another piece of the file may have found it meanwhile. */
  async find(entry: FileEntry, failed: Blob | null): Promise<Blob | null> {
    if (entry.file !== failed) return entry.file;
    const found = await within(READ_WITHIN_MS, this.#findKept(entry));
    entry.needsPermission = found === "ask";
    if (found === null || found === "ask" || found.size !== entry.sizeBytes) return null;
    entry.file = found;
    this.#found.add(found);
    return found;
  }

  /** Nothing is read of it any more. A copy's disk is free only when nobody holds it (2026, Chromium 156). */
  letGo(entry: FileEntry): void {
    if (entry.file !== null && this.#found.has(entry.file)) entry.file = null;
  }
}
