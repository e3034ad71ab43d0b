import { isGone } from "../domain/failure.ts";
import type { FileState, RememberedEnd } from "../domain/file-machine.ts";
import type { Room } from "../domain/keep-plan.ts";
import { readBytes } from "../io/file-bytes.ts";
import type { Journal } from "../io/journal.ts";
import type { FileKey, FileRecord, GalleryRecord, SidecarRecord } from "../io/journal-records.ts";
import { fileIn, isPermitted } from "../io/roots.ts";
import type { Cancel, Clock } from "../kernel/clock.ts";
import { type FileEntry, type GalleryEntry, isOpen } from "./catalogue.ts";
import { Keeper } from "./keeper.ts";
import type { KeptCounts, Root } from "./port.ts";

export type MemoryPorts = {
  readonly clock: Clock;
  /** Null where this browser keeps nothing: uploads go on, and end with the tab. */
  readonly open: (onClosed: () => void) => Promise<Journal | null>;
  /** What this browser lets us use of its disk; null where it does not say. */
  readonly room: () => Promise<Room | null>;
};

type UncopiedSidecar = {
  readonly entry: FileEntry;
  readonly sidecar: SidecarRecord;
  readonly file: Blob;
};

/** Of notes about files, once those are written down. */
type SidecarChanges = {
  readonly uncopied: UncopiedSidecar[];
  readonly dropped: { readonly key: FileKey; readonly name: string }[];
};

type Store = { readonly journal: Journal; readonly keeper: Keeper };

export type RememberedFile = { readonly record: FileRecord; readonly isAtHand: boolean };
export type RememberedGallery = { readonly record: GalleryRecord; readonly files: readonly RememberedFile[] };

/** Changes are written together: the server knows better anyway what the last of them were. */
const WRITE_AFTER_MS = 250;

/** What the engine writes down of its files, so that whoever opens this browser again finds them going on. */
export class Memory {
  readonly #clock: Clock;
  readonly #opening: Promise<Store | null>;
  #onChanged: () => void = () => {};
  #journal: Journal | null = null;
  #keeper: Keeper | null = null;
  readonly #roots = new Map<string, FileSystemHandle>();
  /** What was last written of each file. */
  readonly #written = new Map<FileEntry, string>();
  #unwritten = new Set<FileEntry>();
  /** Chosen, and to be copied once they are written down. */
  #uncopied = new Set<FileEntry>();
  #sidecars: SidecarChanges = { uncopied: [], dropped: [] };
  #forgotten: FileKey[] = [];
  #cancelWrite: Cancel | null = null;
  #writeDueMs = 0;

  constructor({ clock, open, room }: MemoryPorts) {
    this.#clock = clock;
    this.#opening = open(() => this.#lose()).then((journal) => {
      if (journal === null) return null;
      this.#journal = journal;
      this.#keeper = new Keeper({ clock, journal, room, onChanged: () => this.#onChanged() });
      return { journal, keeper: this.#keeper };
    });
  }

  /** What `keptOf` says of some file has changed. */
  onChanged(run: () => void): void {
    this.#onChanged = run;
  }

  /** A file was chosen, and can be read now. */
  chose(entry: FileEntry): void {
    this.#uncopied.add(entry);
    this.#unwritten.add(entry);
    this.#writeSoon();
  }

  /** A file has come to another state. */
  follow(entry: FileEntry): void {
    const { name } = entry.runner.state;
    if (name === "done" || name === "removed" || name === "invalid") this.#keeper?.drop(keyOf(entry));
    if (this.#written.get(entry) === signatureOf(entry)) return;
    this.#unwritten.add(entry);
    // What a person removed is not to come back when the browser dies now.
    this.#writeSoon(name === "removed" ? 0 : WRITE_AFTER_MS);
  }

  /** Notes about a file were chosen, and can be read now. */
  choseSidecar(entry: FileEntry, sidecar: SidecarRecord, file: Blob): void {
    this.#sidecars.uncopied.push({ entry, sidecar, file });
    this.#unwritten.add(entry);
    this.#writeSoon();
  }

  /** Nothing will be read of them any more, once it is written down what became of them. */
  dropSidecar(entry: FileEntry, { name }: SidecarRecord): void {
    this.#sidecars.dropped.push({ key: keyOf(entry), name });
    this.#writeSoon();
  }

  /** Where notes are when they can no longer be read where they were chosen. */
  async findSidecar(entry: FileEntry, { name }: SidecarRecord): Promise<Blob | null> {
    return (await this.#journal?.sidecarOf(keyOf(entry), name)) ?? null;
  }

  forget(entry: FileEntry): void {
    this.#keeper?.drop(keyOf(entry));
    this.#unwritten.delete(entry);
    this.#uncopied.delete(entry);
    this.#written.delete(entry);
    this.#forgotten.push(keyOf(entry));
    this.#writeSoon();
  }

  keptOf(entry: FileEntry): keyof KeptCounts {
    // What the store has whole needs no copy to go on.
    if (!isUnsent(entry)) return "bytes";
    if (this.#keeper?.isKept(keyOf(entry)) === true) return "bytes";
    return this.#journal !== null && this.hasRoot(entry.rootId) ? "handle" : "none";
  }

  /** Where a file's bytes are when it can no longer be read where it was chosen. */
  async find(entry: FileEntry): Promise<Blob | "ask" | null> {
    const kept = (await this.#journal?.bytesOf(keyOf(entry))) ?? null;
    if (kept !== null) return kept;
    const root = entry.rootId === null ? undefined : this.#roots.get(entry.rootId);
    return root === undefined ? null : await fileIn(root, entry.relativePath, entry);
  }

  rememberRoots(roots: readonly Root[]): void {
    if (roots.length === 0) return;
    for (const { id, handle } of roots) this.#roots.set(id, handle);
    void this.#opening.then((store) => store?.journal.rememberRoots(roots));
  }

  rememberGallery(gallery: GalleryEntry): void {
    const { id, title, isPaused } = gallery;
    const record = { id, title, isPaused, endedAtMs: gallery.endedAtMs };
    void this.#opening.then((store) => store?.journal.rememberGallery(record));
  }

  forgetGallery(gallery: GalleryEntry): void {
    for (const entry of gallery.files) this.forget(entry);
    void this.#opening.then((store) => store?.journal.forgetGallery(gallery.id));
  }

  /** What earlier visits left, files in the order they were chosen. */
  async recall(): Promise<readonly RememberedGallery[]> {
    const store = await this.#opening;
    const all = (await store?.journal.readAll()) ?? null;
    if (all === null) return [];
    for (const { id, handle } of all.roots) this.#roots.set(id, handle);
    for (const file of all.files) {
      if (all.kept.has(file)) store?.keeper.adopt(file, file.sizeBytes);
    }
    const readable = await readableRoots(all.roots);
    const isAtHand = (record: FileRecord): boolean =>
      all.kept.has(record) || (record.rootId !== null && readable.has(record.rootId));
    return all.galleries.map((record) => ({
      record,
      files: all.files
        .filter(({ galleryId }) => galleryId === record.id)
        .map((file) => ({ record: file, isAtHand: isAtHand(file) })),
    }));
  }

  hasRoot(rootId: string | null): boolean {
    return rootId !== null && this.#roots.has(rootId);
  }

  async wipe(): Promise<void> {
    this.#cancelWrite?.();
    const store = await this.#opening;
    store?.keeper.stop();
    await store?.journal.wipe();
  }

  /** Another tab wiped what was written down, or the browser took it away: uploads go on without. */
  #lose(): void {
    this.#keeper?.stop();
    this.#journal = null;
    this.#keeper = null;
    this.#onChanged();
  }

  #writeSoon(delayMs = WRITE_AFTER_MS): void {
    const dueMs = this.#clock.nowMs() + delayMs;
    if (this.#cancelWrite !== null && this.#writeDueMs <= dueMs) return;
    this.#cancelWrite?.();
    this.#writeDueMs = dueMs;
    this.#cancelWrite = this.#clock.after(delayMs, () => void this.#write());
  }

  async #write(): Promise<void> {
    await this.#opening;
    this.#cancelWrite = null;
    const entries = [...this.#unwritten];
    const uncopied = [...this.#uncopied];
    const sidecars = this.#sidecars;
    const forgotten = this.#forgotten;
    this.#unwritten = new Set();
    this.#uncopied = new Set();
    this.#sidecars = { uncopied: [], dropped: [] };
    this.#forgotten = [];
    for (const entry of entries) this.#written.set(entry, signatureOf(entry));
    if (forgotten.length > 0) void this.#journal?.forget(forgotten);
    const isWritten = entries.length === 0 || (await this.#journal?.remember(entries.map(recordOf))) === true;
    // No room for now: each is written with its next change, and copied after that.
    if (!isWritten) for (const entry of entries) this.#written.delete(entry);
    this.#copyWritten(uncopied);
    if (isWritten) await this.#dropSidecars(sidecars.dropped);
    await this.#copySidecars(sidecars.uncopied);
  }

  #copyWritten(entries: readonly FileEntry[]): void {
    for (const entry of entries) {
      if (this.#written.has(entry)) this.#copy(entry);
      else this.#uncopied.add(entry);
    }
  }

  async #dropSidecars(dropped: SidecarChanges["dropped"]): Promise<void> {
    if (dropped.length > 0) await this.#journal?.dropSidecars(dropped);
  }

  /** Whatever cannot be kept is sent all the same, as long as it can be read. */
  async #copySidecars(uncopied: readonly UncopiedSidecar[]): Promise<void> {
    const read = await Promise.all(uncopied.map(readSidecar));
    // Sent meanwhile, or chosen anew, another record stands in its place.
    const keepable = uncopied.flatMap(({ entry, sidecar }, index) => {
      const file = read[index] ?? null;
      const isWanted = file !== null && entry.sidecars.includes(sidecar);
      return isWanted ? [{ key: keyOf(entry), name: sidecar.name, file }] : [];
    });
    if (keepable.length > 0) await this.#journal?.keepSidecars(keepable);
  }

  #copy(entry: FileEntry): void {
    if (entry.file === null || !isOpen(entry)) return;
    this.#keeper?.add(keyOf(entry), entry.file, () => isUnsent(entry));
  }
}

/** Until it ends, Chromium 156 (2026) reads a stored File where it was chosen, which may be gone by then; not so a Blob. */
async function readSidecar({ file, sidecar }: UncopiedSidecar): Promise<Blob | null> {
  const bytes = await readBytes(file, 0, sidecar.sizeBytes);
  return bytes === null ? null : new Blob([bytes]);
}

function isException({ isPaused, gallery }: FileEntry): boolean {
  return isPaused !== gallery.isPaused;
}

function isUnsent(entry: FileEntry): boolean {
  return entry.runner.state.name !== "confirming";
}

export function keyOf(entry: FileEntry): FileKey {
  return { galleryId: entry.gallery.id, clientId: entry.clientId };
}

/** What of a file is worth writing again when it changes. */
function signatureOf(entry: FileEntry): string {
  const { uploadId, allowsDuplicate } = entry.runner.state.way;
  return JSON.stringify([
    uploadId,
    allowsDuplicate,
    entry.rootId,
    entry.type,
    isException(entry),
    entry.sidecars,
    endOf(entry),
  ]);
}

function recordOf(entry: FileEntry): FileRecord {
  const { uploadId, allowsDuplicate } = entry.runner.state.way;
  const { name, relativePath, sizeBytes, lastModifiedMs, order, rootId, type } = entry;
  return {
    ...keyOf(entry),
    name,
    relativePath,
    sizeBytes,
    lastModifiedMs,
    order,
    rootId,
    type,
    uploadId,
    allowsDuplicate,
    isException: isException(entry),
    sidecars: entry.sidecars,
    end: endOf(entry),
  };
}

function endOf(entry: FileEntry): RememberedEnd | null {
  const { state } = entry.runner;
  if (state.name === "removed") return { kind: "removed" };
  if (state.name === "invalid") return { kind: "invalid", reasons: state.reasons };
  // Of a file with a row the server tells why it failed; of others nobody else knows. What may pass is tried again.
  if (state.name === "failed" && isLeftTold(state)) return { kind: "refused", failure: state.failure };
  return state.name === "done"
    ? { kind: "done", photoId: state.photoId, isDuplicate: state.isDuplicate }
    : null;
}

/** That the gallery is gone, nobody would tell when it is back. */
function isLeftTold({ failure, way }: Extract<FileState, { name: "failed" }>): boolean {
  return isGone(failure.code) || (way.uploadId === null && !failure.retryable);
}

async function readableRoots(roots: readonly Root[]): Promise<ReadonlySet<string>> {
  const isReadable = await Promise.all(roots.map(({ handle }) => isPermitted(handle)));
  return new Set(roots.filter((_, index) => isReadable[index]).map(({ id }) => id));
}
