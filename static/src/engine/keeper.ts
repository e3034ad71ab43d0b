import { nextToKeep, type Room, roomFor, toGiveBack } from "../domain/keep-plan.ts";
import type { Journal, KeepResult } from "../io/journal.ts";
import type { FileKey } from "../io/journal-records.ts";
import { type Cancel, type Clock, pause } from "../kernel/clock.ts";
import { SECOND_MS } from "../kernel/units.ts";

export type KeeperPorts = {
  readonly clock: Clock;
  readonly journal: Pick<Journal, "keepBytes" | "dropBytes">;
  /** Null where the browser does not say. */
  readonly room: () => Promise<Room | null>;
  /** What `isKept` says of some file has changed. */
  readonly onChanged: () => void;
};

type Sized = { readonly key: FileKey; readonly sizeBytes: number };
type Waiting = Sized & { readonly file: Blob; readonly isUnsent: () => boolean };
/** `chosen` is null where an earlier visit kept it. */
type Kept = Sized & { readonly chosen: Waiting | null };

/** Browsers free the disk some time after bytes were deleted, when nobody can still hold them. */
const FREED_AFTER_MS = 5 * SECOND_MS;

/**
 * Copies the bytes of files that are not over into this browser, in the order they were added, as far as there is room.
 * A file counts as kept only once its copy is complete.
 */
export class Keeper {
  readonly #ports: KeeperPorts;
  readonly #stopping = new AbortController();
  readonly #kept = new Map<string, Kept>();
  #waiting = new Map<string, Waiting>();
  #dropped: FileKey[] = [];
  #keptBytes = 0;
  /** Files of this size were refused since bytes were last freed. */
  #refusedBytes = Number.POSITIVE_INFINITY;
  /** More than this was refused, and something of it given back. */
  #ceilingBytes = Number.POSITIVE_INFINITY;
  #isDue = false;
  #isAtWork = false;
  #cancelLook: Cancel | null = null;

  constructor(ports: KeeperPorts) {
    this.#ports = ports;
  }

  /** Kept in an earlier visit. */
  adopt(key: FileKey, sizeBytes: number): void {
    if (this.isKept(key)) return;
    this.#waiting.delete(textOf(key));
    this.#enter({ key, sizeBytes, chosen: null });
  }

  /**
   * Its record is written, or being written. Does nothing for a file that is kept. While `isUnsent` is false the store
   * has all of it, and a copy would be made for nothing.
   */
  add(key: FileKey, file: Blob, isUnsent: () => boolean): void {
    const isKnown = this.isKept(key) || this.#waiting.get(textOf(key))?.file === file;
    if (this.#stopping.signal.aborted || isKnown) return;
    this.#waiting.set(textOf(key), { key, sizeBytes: file.size, file, isUnsent });
    this.#wake();
  }

  /** The file is over: nothing of it is needed any more. */
  drop(key: FileKey): void {
    this.#waiting.delete(textOf(key));
    if (this.#leave(key)) this.#free(key);
  }

  isKept(key: FileKey): boolean {
    return this.#kept.has(textOf(key));
  }

  /** Nothing counts as kept after this. */
  stop(): void {
    this.#stopping.abort();
    this.#cancelLook?.();
    this.#waiting.clear();
    this.#kept.clear();
    this.#ports.onChanged();
  }

  #enter(kept: Kept): void {
    this.#kept.set(textOf(kept.key), kept);
    this.#keptBytes += kept.sizeBytes;
  }

  #leave(key: FileKey): boolean {
    const kept = this.#kept.get(textOf(key));
    if (kept === undefined) return false;
    this.#kept.delete(textOf(key));
    this.#keptBytes -= kept.sizeBytes;
    return true;
  }

  /** What is freed at one moment is deleted together. */
  #free(key: FileKey): void {
    this.#dropped.push(key);
    if (this.#dropped.length > 1) return;
    queueMicrotask(() => {
      const keys = this.#dropped;
      this.#dropped = [];
      void this.#ports.journal.dropBytes(keys).then(() => this.#goOn());
      this.#ports.onChanged();
    });
  }

  /** There is room now, and may be more as soon as the browser has cleared away. */
  #goOn(): void {
    this.#refusedBytes = Number.POSITIVE_INFINITY;
    this.#wake();
    this.#cancelLook?.();
    this.#cancelLook = this.#ports.clock.after(FREED_AFTER_MS, () => {
      this.#refusedBytes = Number.POSITIVE_INFINITY;
      this.#ceilingBytes = Number.POSITIVE_INFINITY;
      this.#wake();
    });
  }

  #wake(): void {
    this.#isDue = true;
    if (!this.#isAtWork) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isAtWork = true;
    while (this.#isDue && this.#waiting.size > 0) {
      this.#isDue = false;
      while (await this.#step());
    }
    this.#isAtWork = false;
  }

  /** False where nothing more can be kept for now. */
  async #step(): Promise<boolean> {
    const { clock, journal, room } = this.#ports;
    const roomBytes = Math.min(roomFor(await room(), this.#keptBytes), this.#ceilingBytes - this.#keptBytes);
    const files = nextToKeep(this.#candidates(), roomBytes);
    if (files.length === 0) return false;
    const startedMs = clock.nowMs();
    const results = await journal.keepBytes(files);
    files.forEach((file, index) => {
      this.#take(file, results[index] ?? "failed");
    });
    if (this.#isFull(results)) this.#giveBack();
    this.#ports.onChanged();
    // The disk is for sending too: it has at least as much time without this.
    await pause(clock, clock.nowMs() - startedMs, this.#stopping.signal);
    return !results.includes("failed");
  }

  *#candidates(): Generator<Waiting> {
    for (const file of this.#waiting.values()) {
      if (file.sizeBytes < this.#refusedBytes && file.isUnsent()) yield file;
    }
  }

  #take(file: Waiting, result: KeepResult): void {
    const isWanted = this.#waiting.get(textOf(file.key)) === file;
    if (result === "full") this.#refusedBytes = Math.min(this.#refusedBytes, file.sizeBytes);
    if (result === "full" || result === "failed") return;
    if (isWanted) this.#waiting.delete(textOf(file.key));
    if (result !== "kept") return;
    if (isWanted) this.#enter({ key: file.key, sizeBytes: file.sizeBytes, chosen: file });
    // It was over before its copy was complete.
    else if (!this.isKept(file.key)) this.#free(file.key);
  }

  /** The browser refused, and nothing smaller waits. */
  #isFull(results: readonly KeepResult[]): boolean {
    return results.includes("full") && this.#candidates().next().done === true;
  }

  /** The records of all files must still find room, which they do in the place of the last copies. */
  #giveBack(): void {
    const given = toGiveBack([...this.#kept.values()]);
    const again = given.flatMap(({ key, chosen }) =>
      chosen === null ? [] : [[textOf(key), chosen] as const],
    );
    for (const { key } of given) this.#leave(key);
    void this.#ports.journal.dropBytes(given.map(({ key }) => key));
    this.#waiting = new Map([...again, ...this.#waiting]);
    if (this.#kept.size > 0) this.#ceilingBytes = this.#keptBytes;
  }
}

function textOf({ galleryId, clientId }: FileKey): string {
  return `${galleryId}/${clientId}`;
}
