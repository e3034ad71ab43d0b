import { type Failure, type GoneCode, goneCodeOf } from "../domain/failure.ts";
import { type FileEvent, rememberedFile } from "../domain/file-machine.ts";
import { MAX_BATCH_ITEMS } from "../domain/limits.ts";
import { backoffMs, STORE_BACKOFF } from "../domain/retry.ts";
import type { SignItem, UploadRow } from "../domain/wire.ts";
import type { UploadApi } from "../io/upload-api.ts";
import type { Clock } from "../kernel/clock.ts";
import { HOUR_MS } from "../kernel/units.ts";
import {
  type Catalogue,
  type FileEntry,
  type GalleryEntry,
  isLeftByGallery,
  isUnderway,
  openCount,
} from "./catalogue.ts";
import type { Connection } from "./connection.ts";
import type { Memory, RememberedFile, RememberedGallery } from "./memory.ts";
import { readPages } from "./pages.ts";

export type RestorePorts = {
  readonly api: Pick<UploadApi, "listUploads" | "sign">;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly connection: Connection;
  readonly memory: Memory;
  readonly random: () => number;
  readonly dispatch: (entry: FileEntry, event: FileEvent) => void;
  /** Removed here, and the browser was gone before the server heard of it. */
  readonly cancelAgain: (entry: FileEntry) => void;
  readonly onRestored: (gallery: GalleryEntry) => void;
  readonly onGone: (gallery: GalleryEntry, code: GoneCode) => void;
};

/** Who was away for longer has seen how it ended, or does not ask any more. */
const ENDED_TOLD_FOR_MS = HOUR_MS;

/**
 * Takes up what an earlier visit left. Whatever was written down here, the server is asked first: only what it still
 * waits for goes on, and nothing that was cancelled elsewhere comes back by itself.
 */
export class Restore {
  readonly #ports: RestorePorts;

  constructor(ports: RestorePorts) {
    this.#ports = ports;
  }

  /** Resolves when the files are in the catalogue; the server is asked after that. */
  async begin(): Promise<void> {
    for (const remembered of await this.#ports.memory.recall()) {
      const gallery = this.#enter(remembered);
      if (gallery !== null) void this.#ask(gallery);
    }
  }

  #enter({ record, files }: RememberedGallery): GalleryEntry | null {
    const { catalogue, clock, memory } = this.#ports;
    const gallery = catalogue.gallery(record.id, record.title, clock.nowMs());
    gallery.isPaused ||= record.isPaused;
    for (const file of files) {
      if (!gallery.byClientId.has(file.record.clientId)) this.#enterFile(gallery, file);
    }
    const isLate = record.endedAtMs !== null && record.endedAtMs < clock.wallMs() - ENDED_TOLD_FOR_MS;
    // What was never sent is told until somebody has said that they know.
    const isOld = isLate && !gallery.files.some(isLeftByGallery);
    if (gallery.files.length === 0 || (isOld && !isUnderway(gallery))) {
      memory.forgetGallery(gallery);
      catalogue.drop(gallery);
      return null;
    }
    if (openCount(gallery) === 0) gallery.endedAtMs ??= record.endedAtMs;
    this.#ports.onRestored(gallery);
    return gallery;
  }

  #enterFile(gallery: GalleryEntry, { record, isAtHand }: RememberedFile): void {
    const { sizeBytes, uploadId, allowsDuplicate, end } = record;
    const isPaused = gallery.isPaused !== (record.isException ?? false);
    const initial = rememberedFile({
      fileBytes: sizeBytes,
      uploadId,
      allowsDuplicate,
      end,
      isAtHand,
      isPaused,
    });
    const entry = this.#ports.catalogue.add(gallery, { ...record, file: null }, initial);
    entry.isPaused = isPaused;
    entry.needsPermission = !isAtHand && this.#ports.memory.hasRoot(record.rootId);
    if (end?.kind === "removed") this.#ports.cancelAgain(entry);
  }

  /** Its files wait for this answer and for nothing else: a server that fails at it is asked again. */
  async #ask(gallery: GalleryEntry): Promise<void> {
    const heard = new Map<FileEntry, UploadRow>();
    const asked = [...gallery.files];
    for (let attempt = 0; this.#ports.catalogue.has(gallery); attempt += 1) {
      const failure = await this.#read(gallery, heard);
      if (failure === null) {
        await this.#goOn(asked, heard);
        return;
      }
      const goneCode = goneCodeOf(failure);
      if (goneCode !== null) {
        this.#ports.onGone(gallery, goneCode);
        return;
      }
      await this.#rest(attempt);
    }
  }

  #rest(attempt: number): Promise<void> {
    const { clock, random } = this.#ports;
    return new Promise((resolve) => {
      clock.after(backoffMs(STORE_BACKOFF, attempt, random()), resolve);
    });
  }

  async #goOn(asked: readonly FileEntry[], heard: ReadonlyMap<FileEntry, UploadRow>): Promise<void> {
    for (const entry of asked) {
      // The gallery is back.
      if (isLeftByGallery(entry)) this.#ports.dispatch(entry, { type: "retry" });
      else if (!heard.has(entry)) this.#ports.dispatch(entry, { type: "unregistered" });
    }
    await this.#lookFor([...heard].flatMap(([entry, row]) => (mayBeStored(entry, row) ? [entry] : [])));
  }

  /** Page by page, so that the first files go on before the last are known. */
  async #read(gallery: GalleryEntry, heard: Map<FileEntry, UploadRow>): Promise<Failure | null> {
    const { api, connection } = this.#ports;
    return await readPages(
      (cursor) => connection.call(() => api.listUploads(gallery.id, cursor)),
      (page) => {
        for (const row of page.uploads) {
          const entry = this.#entryOf(gallery, row);
          if (entry === null) continue;
          heard.set(entry, row);
          this.#tell(entry, row);
        }
      },
    );
  }

  #tell(entry: FileEntry, row: UploadRow): void {
    const { state } = entry.runner;
    const isAnswer = state.name === "queued" || state.name === "paused" || state.name === "waiting";
    if (isAnswer) this.#ports.dispatch(entry, { type: "registered", row });
    this.#ports.dispatch(entry, { type: "row", row });
  }

  /** Their last byte may have arrived just before the browser died: the store is asked before a person is. */
  async #lookFor(entries: readonly FileEntry[]): Promise<void> {
    const { api, connection } = this.#ports;
    for (let first = 0; first < entries.length; first += MAX_BATCH_ITEMS) {
      const some = entries.slice(first, first + MAX_BATCH_ITEMS);
      const answer = await connection.call(() => api.sign(some.map(lookOf)));
      some.forEach((entry, index) => {
        const row = answer.ok ? answer.value[index] : undefined;
        if (row !== undefined && row.state !== null) this.#ports.dispatch(entry, { type: "row", row });
      });
    }
  }

  /**
   * Registered, but the browser was gone before it heard so: another person's row may bear the same name, so that only
   * a cancelled one is believed, and any other is asked for by registering again.
   */
  #entryOf(gallery: GalleryEntry, row: UploadRow): FileEntry | null {
    const known = row.id === null ? null : this.#ports.catalogue.findByUploadId(row.id);
    if (known !== null) return known;
    const namesake = row.clientId === null ? undefined : gallery.byClientId.get(row.clientId);
    const isUnheard = namesake?.runner.state.way.uploadId === null;
    return isUnheard && row.state === "cancelled" ? (namesake ?? null) : null;
  }
}

function mayBeStored(entry: FileEntry, row: UploadRow): boolean {
  const { state } = entry.runner;
  const isNeeded = state.name === "waiting" && state.why === "file_needed";
  return isNeeded && (row.state === "signed" || row.state === "uploading");
}

function lookOf(entry: FileEntry): SignItem {
  return { id: entry.runner.state.way.uploadId ?? "", afterFailure: true, crc32: null, parts: [] };
}
