import { checkFile, type FileCheck } from "../domain/file-check.ts";
import { INSPECTED_BYTES } from "../domain/limits.ts";
import type { FileEntry } from "./catalogue.ts";
import type { Sources } from "./sources.ts";

/** The disk is shared with the reading of what is being sent. */
const READS_AT_ONCE = 4;

export type InspectorPorts = {
  readonly sources: Sources;
  /** False where the answer is not needed any more. */
  readonly isWanted: (entry: FileEntry) => boolean;
  /** Null where the disk did not give the bytes. */
  readonly onChecked: (entry: FileEntry, check: FileCheck | null) => void;
};

/** Looks into chosen files one after another, long before their turn to be sent. */
export class Inspector {
  readonly #ports: InspectorPorts;
  #queue: FileEntry[] = [];
  #nextIndex = 0;
  #readCount = 0;

  constructor(ports: InspectorPorts) {
    this.#ports = ports;
  }

  add(entry: FileEntry): void {
    this.#queue.push(entry);
    this.#pump();
  }

  #pump(): void {
    while (this.#readCount < READS_AT_ONCE && this.#nextIndex < this.#queue.length) {
      const entry = this.#queue[this.#nextIndex];
      this.#nextIndex += 1;
      if (entry !== undefined && this.#ports.isWanted(entry)) void this.#inspect(entry);
    }
    if (this.#nextIndex === this.#queue.length) {
      this.#queue = [];
      this.#nextIndex = 0;
    }
  }

  async #inspect(entry: FileEntry): Promise<void> {
    this.#readCount += 1;
    const head = await this.#ports.sources.read(entry, 0, Math.min(entry.sizeBytes, INSPECTED_BYTES));
    const check =
      head === null ? null : checkFile(entry.sizeBytes, new Uint8Array(head.bytes), entry.gallery.profile);
    this.#readCount -= 1;
    this.#ports.onChecked(entry, check);
    this.#pump();
  }
}
