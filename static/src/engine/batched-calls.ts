import { combineCrc32, crc32Hex } from "../domain/crc32.ts";
import { type Failure, failureHere } from "../domain/failure.ts";
import type { FileEvent } from "../domain/file-machine.ts";
import { MAX_BATCH_ITEMS } from "../domain/limits.ts";
import { rangeOfPart } from "../domain/part-plan.ts";
import { backoffMs, STORE_BACKOFF } from "../domain/retry.ts";
import type { CompleteItem, DeclaredFile, UploadRow, UploadRowState } from "../domain/wire.ts";
import type { UploadApi } from "../io/upload-api.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Result } from "../kernel/result.ts";
import { Batcher } from "./batcher.ts";
import type { Catalogue, FileEntry } from "./catalogue.ts";
import type { Connection } from "./connection.ts";

export type BatchedCallPorts = {
  readonly api: Pick<UploadApi, "register" | "retry" | "complete" | "cancel">;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly connection: Connection;
  readonly random: () => number;
  /** Whether files wait for their turn: then those after them need not be registered at once. */
  readonly isBusy: () => boolean;
  readonly dispatch: (entry: FileEntry, event: FileEvent) => void;
  /** The server knew the file, and how far it was. */
  readonly onResumed: (entry: FileEntry, state: UploadRowState) => void;
  /** The server has heard that the file was removed. */
  readonly onCancelled: (entry: FileEntry) => void;
};

/** Files registered in one call wait this long for each other: the first of all hardly, those after them may. */
const REGISTER_AT_ONCE_MS = 10;
const REGISTER_GATHER_MS = 500;
/** The first that are stored are told soon, and those after them together: each call costs the server as much as ten. */
const COMPLETE_AT_ONCE_MS = 250;
const COMPLETE_EVERY_MS = 2_500;
const CANCEL_GATHER_MS = 20;

/** The upload as it was when its file was removed, and how often it was said in vain. */
type Cancellation = { readonly entry: FileEntry; readonly uploadId: string; readonly attempt: number };

/** What the server is asked about files, many in one call: to register, reopen, complete and cancel them. */
export class BatchedCalls {
  readonly #ports: BatchedCallPorts;
  readonly #registrar: Batcher<FileEntry>;
  readonly #reopener: Batcher<FileEntry>;
  readonly #completer: Batcher<FileEntry>;
  readonly #canceller: Batcher<Cancellation>;

  constructor(ports: BatchedCallPorts) {
    this.#ports = ports;
    this.#registrar = this.#batcher(
      () => (ports.isBusy() ? REGISTER_GATHER_MS : REGISTER_AT_ONCE_MS),
      (entries) => this.#register(entries),
    );
    this.#reopener = this.#batcher(
      () => CANCEL_GATHER_MS,
      (entries) => this.#reopen(entries),
    );
    this.#completer = this.#batcher(
      () => COMPLETE_AT_ONCE_MS,
      (entries) => this.#complete(entries),
      COMPLETE_EVERY_MS,
    );
    this.#canceller = new Batcher({
      clock: ports.clock,
      delayMs: () => CANCEL_GATHER_MS,
      maxItems: MAX_BATCH_ITEMS,
      groupOf: () => null,
      send: (cancellations) => this.#cancel(cancellations),
    });
  }

  register(entry: FileEntry): void {
    this.#registrar.add(entry);
  }

  reopen(entry: FileEntry): void {
    this.#reopener.add(entry);
  }

  complete(entry: FileEntry): void {
    this.#completer.add(entry);
  }

  /** Does not wait for company any longer. */
  completeNow(): void {
    this.#completer.flush();
  }

  cancel(entry: FileEntry): void {
    this.#canceller.add({ entry, uploadId: uploadIdOf(entry), attempt: 0 });
  }

  #batcher(
    delayMs: () => number,
    send: (entries: readonly FileEntry[]) => Promise<void>,
    apartMs = 0,
  ): Batcher<FileEntry> {
    const groupOf = (entry: FileEntry): string => entry.gallery.id;
    const { clock } = this.#ports;
    return new Batcher({ clock, delayMs, apartMs, maxItems: MAX_BATCH_ITEMS, groupOf, send });
  }

  async #register(entries: readonly FileEntry[]): Promise<void> {
    // A file removed and picked again must not be cancelled by the answer to its removal.
    await this.#canceller.idle();
    const wanted = entries.filter((entry) => entry.runner.state.name !== "removed");
    const [first] = wanted;
    if (first === undefined) return;
    const files = wanted.map(declarationOf);
    const answer = await this.#ports.connection.call(() => this.#ports.api.register(first.gallery.id, files));
    this.#tellAll(wanted, answer, (entry, row) => this.#takeRegistration(entry, row));
  }

  #takeRegistration(entry: FileEntry, row: UploadRow): void {
    if (row.id !== null) this.#ports.catalogue.learnUploadId(entry, row.id);
    const isRefused = row.id === null || row.state === null || row.state === "refused";
    if (isRefused) {
      this.#ports.dispatch(entry, {
        type: "refused",
        failure: row.failure ?? failureHere("malformed_answer"),
      });
    } else {
      if (row.state !== "registered") this.#ports.onResumed(entry, row.state);
      this.#ports.dispatch(entry, { type: "registered", row });
    }
  }

  async #reopen(entries: readonly FileEntry[]): Promise<void> {
    const ids = entries.map(uploadIdOf);
    const answer = await this.#ports.connection.call(() => this.#ports.api.retry(ids));
    this.#tellAll(entries, answer, (entry, row) => this.#takeRegistration(entry, row));
  }

  async #complete(entries: readonly FileEntry[]): Promise<void> {
    const wanted = entries.filter((entry) => entry.runner.state.name === "confirming");
    if (wanted.length === 0) return;
    const items = wanted.map(completionOf);
    const answer = await this.#ports.connection.call(() => this.#ports.api.complete(items));
    this.#tellAll(wanted, answer, (entry, row) => this.#takeRow(entry, row));
  }

  /** Only what was verified before is news to the file: it may have been picked again by now. */
  async #cancel(cancellations: readonly Cancellation[]): Promise<void> {
    const ids = cancellations.map(({ uploadId }) => uploadId);
    const answer = await this.#ports.connection.call(() => this.#ports.api.cancel(ids));
    cancellations.forEach((cancellation, index) => {
      const row = answer.ok ? answer.value[index] : undefined;
      if (row?.state === "verified") this.#ports.dispatch(cancellation.entry, { type: "row", row });
      else if (row?.state === "cancelled") this.#forgetRemoved(cancellation.entry);
      else if (!wasHeard(row, answer)) this.#cancelAgain(cancellation);
    });
  }

  #forgetRemoved(entry: FileEntry): void {
    if (entry.runner.state.name === "removed") this.#ports.onCancelled(entry);
  }

  /** A removal is said until the server has heard it, unless the file was picked again meanwhile. */
  #cancelAgain({ entry, uploadId, attempt }: Cancellation): void {
    this.#ports.clock.after(backoffMs(STORE_BACKOFF, attempt, this.#ports.random()), () => {
      const isMeant = entry.runner.state.name === "removed";
      if (isMeant) this.#canceller.add({ entry, uploadId, attempt: attempt + 1 });
    });
  }

  /** One item of a bulk answer, or its refusal. */
  #tellAll(
    entries: readonly FileEntry[],
    answer: Result<readonly UploadRow[], Failure>,
    tell: (entry: FileEntry, row: UploadRow) => void,
  ): void {
    entries.forEach((entry, index) => {
      const row = answer.ok ? answer.value[index] : undefined;
      if (row !== undefined) tell(entry, row);
      else
        this.#ports.dispatch(entry, {
          type: "refused",
          failure: answer.ok ? failureHere("malformed_answer") : answer.failure,
        });
    });
  }

  #takeRow(entry: FileEntry, row: UploadRow): void {
    const isRefusal = row.failure !== null && row.state !== "failed" && row.state !== "verified";
    if (isRefusal && row.failure !== null)
      this.#ports.dispatch(entry, { type: "refused", failure: row.failure });
    else this.#ports.dispatch(entry, { type: "row", row });
  }
}

/** Whether asking once more would bring the same answer. */
function wasHeard(row: UploadRow | undefined, answer: Result<unknown, Failure>): boolean {
  const failure = answer.ok ? (row?.failure ?? null) : answer.failure;
  return row?.state === "cancelled" || failure?.retryable !== true;
}

function declarationOf(entry: FileEntry): DeclaredFile {
  const { way } = entry.runner.state;
  return {
    clientId: entry.clientId,
    name: entry.name,
    fileBytes: way.plan.fileBytes,
    type: entry.type ?? "",
    lastModifiedMs: entry.lastModifiedMs,
    relativePath: entry.relativePath,
    allowDuplicate: way.allowsDuplicate,
  };
}

function uploadIdOf(entry: FileEntry): string {
  return entry.runner.state.way.uploadId ?? "";
}

/** The whole file's CRC-32, joined from its parts', where all of them were read here. */
function completionOf(entry: FileEntry): CompleteItem {
  const { plan } = entry.runner.state.way;
  let crc = 0;
  for (let number = 1; number <= plan.partCount; number += 1) {
    const partCrc = entry.partCrcs.get(number);
    if (partCrc === undefined) return { id: uploadIdOf(entry), crc32: null };
    crc = combineCrc32(crc, partCrc, rangeOfPart(plan, number).bytes);
  }
  return { id: uploadIdOf(entry), crc32: crc32Hex(crc) };
}
