import { type Chunk, chunkOf, planOfSession, type Session } from "../domain/chunk.ts";
import { crc32Hex } from "../domain/crc32.ts";
import { type Failure, failureHere } from "../domain/failure.ts";
import { MAX_BATCH_ITEMS } from "../domain/limits.ts";
import type { SignedRequest, SignItem, Transfer, UploadRow } from "../domain/wire.ts";
import type { UploadApi } from "../io/upload-api.ts";
import type { Clock } from "../kernel/clock.ts";
import { SECOND_MS } from "../kernel/units.ts";
import { Batcher } from "./batcher.ts";
import type { FileEntry } from "./catalogue.ts";
import type { Connection } from "./connection.ts";

/** A piece of a file that was read and waits for its signature. `partNumber` is null for a file sent whole. */
export type SignAsk = {
  readonly entry: FileEntry;
  readonly uploadId: string;
  readonly partNumber: number | null;
  readonly crc: number;
  readonly afterFailure: boolean;
  readonly signal: AbortSignal;
};

export type SignAnswer =
  | {
      readonly kind: "request";
      readonly request: SignedRequest;
      /** By the system's clock: a signature grows old while the machine sleeps. */
      readonly expiresAtWallMs: number;
      /** So many bytes of the piece the store has; the request is for the rest. */
      readonly skipBytes: number;
    }
  /** The store has this piece. */
  | { readonly kind: "stored" }
  /** The answer leaves this piece out. */
  | { readonly kind: "missing" }
  /** A session takes its pieces in order, and this one's turn has not come. */
  | { readonly kind: "out_of_turn" }
  /** Nothing to send: what the row or the refusal means was told to the file. */
  | { readonly kind: "none" };

export type SignerPorts = {
  readonly api: Pick<UploadApi, "sign">;
  readonly clock: Clock;
  readonly connection: Connection;
  /** Told before the pieces are answered. */
  readonly onTransfer: (entry: FileEntry, transfer: Transfer) => void;
  readonly onRow: (entry: FileEntry, row: UploadRow) => void;
  readonly onRefusal: (entry: FileEntry, failure: Failure) => void;
  /** Signed pieces that are not on their way yet. */
  readonly readyCount: () => number;
};

type Waiting = { readonly ask: SignAsk; readonly answer: (answer: SignAnswer) => void };

/** A URL this near its end may be refused before the request has arrived. */
const EXPIRY_MARGIN_MS = 20 * SECOND_MS;
/** Pieces whose reading ends at nearly the same time go in one call. */
const GATHER_MS = 5;
/** While enough signed ones wait to be sent, the next gather: each call costs the server as much as ten signatures. */
const PATIENT_GATHER_MS = 5_000;
/** Enough: half as many as gather, since those leave before an answer comes even on a line as fast as a disk. */
const GATHERED_A_READY_ONE = 2;
const NOTHING_TO_SEND: SignAnswer = { kind: "none" };
const LEFT_OUT: SignAnswer = { kind: "missing" };

/** Signs the pieces of several files in one call, while the pieces before them are on their way. */
export class Signer {
  readonly #ports: SignerPorts;
  readonly #batcher: Batcher<Waiting>;

  constructor(ports: SignerPorts) {
    this.#ports = ports;
    this.#batcher = new Batcher({
      clock: ports.clock,
      delayMs: () => (this.#isDue(ports.readyCount()) ? GATHER_MS : PATIENT_GATHER_MS),
      maxItems: MAX_BATCH_ITEMS,
      groupOf: () => null,
      send: (waiting) => this.#send(waiting.filter(({ ask }) => !ask.signal.aborted)),
    });
  }

  /** One of the signed pieces has left. */
  reconsider(): void {
    this.#batcher.reconsider();
  }

  #isDue(readyCount: number): boolean {
    return this.#batcher.gatheringCount > GATHERED_A_READY_ONE * readyCount;
  }

  sign(ask: SignAsk): Promise<SignAnswer> {
    if (ask.signal.aborted) return Promise.resolve(NOTHING_TO_SEND);
    return new Promise((resolve) => {
      const answer = (given: SignAnswer): void => {
        ask.signal.removeEventListener("abort", leave);
        resolve(given);
      };
      const leave = (): void => answer(NOTHING_TO_SEND);
      ask.signal.addEventListener("abort", leave);
      this.#batcher.add({ ask, answer });
    });
  }

  async #send(waiting: readonly Waiting[]): Promise<void> {
    if (waiting.length === 0) return;
    const byUpload = new Map<string, Waiting[]>();
    for (const one of waiting) {
      const together = byUpload.get(one.ask.uploadId);
      if (together === undefined) byUpload.set(one.ask.uploadId, [one]);
      else together.push(one);
    }
    const groups = [...byUpload.values()];
    const answer = await this.#ports.connection.call(() => this.#ports.api.sign(groups.map(itemOf)));
    groups.forEach((group, index) => {
      if (answer.ok) this.#tell(group, answer.value[index] ?? null);
      else this.#refuse(group, answer.failure);
    });
  }

  #tell(group: readonly Waiting[], row: UploadRow | null): void {
    const entry = group[0]?.ask.entry;
    if (entry === undefined || group.every(({ ask }) => ask.signal.aborted)) return;
    if (row === null) this.#refuse(group, failureHere("malformed_answer"));
    else if (row.transfer !== null) this.#hand(group, row.transfer, entry, row);
    else if (row.failure !== null && row.state !== "failed") this.#refuse(group, row.failure);
    else this.#close(group, () => this.#ports.onRow(entry, row));
  }

  #refuse(group: readonly Waiting[], failure: Failure): void {
    const entry = group[0]?.ask.entry;
    if (entry !== undefined) this.#close(group, () => this.#ports.onRefusal(entry, failure));
  }

  #close(group: readonly Waiting[], tell: () => void): void {
    tell();
    for (const { answer } of group) answer(NOTHING_TO_SEND);
  }

  #hand(group: readonly Waiting[], transfer: Transfer, entry: FileEntry, row: UploadRow): void {
    this.#ports.onRow(entry, row);
    this.#ports.onTransfer(entry, transfer);
    const nowWallMs = this.#ports.clock.wallMs();
    for (const { ask, answer } of group) answer(answerFor(ask, transfer, nowWallMs));
  }
}

function itemOf(group: readonly Waiting[]): SignItem {
  const asks = group.map(({ ask }) => ask);
  const whole = asks.find((ask) => ask.partNumber === null);
  return {
    id: asks[0]?.uploadId ?? "",
    afterFailure: asks.some((ask) => ask.afterFailure),
    crc32: whole === undefined ? null : crc32Hex(whole.crc),
    parts: asks.flatMap((ask) =>
      ask.partNumber === null ? [] : [{ number: ask.partNumber, crc32: crc32Hex(ask.crc) }],
    ),
  };
}

function answerFor(ask: SignAsk, transfer: Transfer, nowWallMs: number): SignAnswer {
  switch (transfer.lane) {
    case "put":
      return ask.partNumber === null
        ? requestUntil(transfer.request, transfer.expiresInS, nowWallMs)
        : NOTHING_TO_SEND;
    case "multipart": {
      const partNumber = ask.partNumber ?? 1;
      if (transfer.storedParts.includes(partNumber)) return { kind: "stored" };
      const part = transfer.parts.find(({ number }) => number === partNumber);
      return part === undefined ? LEFT_OUT : requestUntil(part.request, transfer.expiresInS, nowWallMs);
    }
    case "resumable":
      return chunkFor(ask, transfer);
  }
}

function chunkFor(ask: SignAsk, session: Session): SignAnswer {
  const plan = planOfSession(ask.entry.runner.state.way.plan.fileBytes, session);
  return answerOf(chunkOf(plan, ask.partNumber ?? 1, session));
}

/** A session outlives the upload itself. */
export function answerOf(chunk: Chunk): SignAnswer {
  return chunk.kind === "request" ? { ...chunk, expiresAtWallMs: Number.POSITIVE_INFINITY } : chunk;
}

function requestUntil(request: SignedRequest, expiresInS: number, nowWallMs: number): SignAnswer {
  const expiresAtWallMs = nowWallMs + expiresInS * SECOND_MS - EXPIRY_MARGIN_MS;
  return { kind: "request", request, expiresAtWallMs, skipBytes: 0 };
}
