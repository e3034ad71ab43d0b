import { chunkOf, planOfSession, type Session, wholePieces } from "../domain/chunk.ts";
import { crc32 } from "../domain/crc32.ts";
import type { FileEvent } from "../domain/file-machine.ts";
import { type PartPlan, planWithPartBytes, rangeOfPart } from "../domain/part-plan.ts";
import type { SignedRequest, StoredBytes, Transfer } from "../domain/wire.ts";
import type { ReadPiece } from "../io/file-bytes.ts";
import type { PutOutcome, PutPart } from "../io/part-put.ts";
import type { StoredUpload, UploadApi } from "../io/upload-api.ts";
import type { Clock } from "../kernel/clock.ts";
import { MIB, MINUTE_MS } from "../kernel/units.ts";
import type { FileEntry } from "./catalogue.ts";
import type { Connection } from "./connection.ts";
import { answerOf, type SignAnswer, type Signer } from "./signer.ts";
import type { Slots } from "./slots.ts";
import type { Sources } from "./sources.ts";

export type TransferPorts = {
  readonly api: Pick<UploadApi, "stored">;
  readonly clock: Clock;
  readonly connection: Connection;
  readonly signer: Signer;
  readonly slots: Slots;
  readonly sources: Sources;
  readonly put: PutPart;
  readonly baseUrl: string;
  readonly dispatch: (entry: FileEntry, event: FileEvent) => void;
  /** The first byte of a request is about to leave. */
  readonly onSending: (entry: FileEntry) => void;
  /** A request has ended; whether others of the file go on, `isMoving` tells. */
  readonly onStill: (entry: FileEntry) => void;
  /** Bytes of this gallery's round that were not on their way before. */
  readonly onMoved: (entry: FileEntry, bytes: number) => void;
  /** A body has ended, well or not. */
  readonly onPutEnd: (entry: FileEntry, partNumber: number, outcome: PutOutcome) => void;
  /** Bytes of parts that are on their way and not counted as sent yet: more of them, or less. */
  readonly onUnderway: (entry: FileEntry, change: number) => void;
};

/** Pieces read, signed or on their way at one time: the slots of an origin, and some ahead. */
const MAX_PIECES = 40;
/** Each read ends in a checksum that keeps this thread busy for milliseconds: what is signed must not wait for many. */
const READS_AT_ONCE = 3;
/**
 * Six parts on their way, four ahead. What was read for its checksum is still in the system's memory when it is sent,
 * and in ours where it is sent again.
 */
const MAX_AHEAD_BYTES = 80 * MIB;
/** A session outlives this by far; the server's row stays as fresh as with parts, whose URLs live 15 minutes. */
const SESSION_SIGNED_MS = 10 * MINUTE_MS;

/** A file that has been offered and not yet withdrawn. */
type Job = {
  readonly entry: FileEntry;
  readonly uploadId: string;
  readonly controller: AbortController;
  /** Parts before this one are done or in work. */
  nextPart: number;
  inWork: number;
  isLooking: boolean;
  hasLooked: boolean;
  /** A resumable session takes one piece after the other; its offset follows from what the store answers. */
  session: Session | null;
  /** When the server is asked again. */
  sessionUntilWallMs: number;
  /** A piece has failed for now: nothing more is begun, and the file rests when what is on its way has ended. */
  hasFailed: boolean;
};

/**
 * What follows a try: nothing more, another with what is known, one after the server has looked; and `failed` is such
 * a try as well, and counts.
 */
type Ending = "over" | "again" | "look" | "failed";

/** A body on its way. */
type Flight = { readonly controller: AbortController; movedAtMs: number };

const ABORTED: PutOutcome = { kind: "aborted" };

type Piece = { readonly job: Job; readonly partNumber: number; readonly plan: PartPlan };

type Body = { readonly bytes: Blob; readonly crc: number };

/**
 * At first the browser takes the bytes from where they lie, which spares three copies of them on their way through its
 * processes (4 of 24 ms of CPU for 2 MB, Chromium 156, November 2026). Other bytes in their place would not pass: the
 * browser compares the file's date, the store the signed checksum, the worker the checksum of the whole.
 */
const inPlace = ({ piece }: ReadPiece): Blob => piece;
/** Once that has failed, which may be the disk's fault as well as the network's, what could be read is sent itself. */
const inMemory = ({ bytes }: ReadPiece): Blob => new Blob([bytes]);
/** A fresh signature is worth one more try at once; after that the file rests and others go on. */
const TRIES_IN_A_ROW = [inPlace, inMemory];

/** Reads, signs and sends, a bounded number of pieces at a time, files in the order they were offered. */
export class Transfers {
  readonly #ports: TransferPorts;
  readonly #jobs = new Map<FileEntry, Job>();
  #queue: Job[] = [];
  #active: Job[] = [];
  #pieceCount = 0;
  #aheadBytes = 0;
  #readCount = 0;
  #readyCount = 0;
  /** The last large file went so: pieces of the next that are read before its lane is known would be read again. */
  #usesSessions = false;
  readonly #flights = new Set<Flight>();
  readonly #movingCounts = new Map<FileEntry, number>();

  constructor(ports: TransferPorts) {
    this.#ports = ports;
  }

  offer(entry: FileEntry): void {
    this.withdraw(entry);
    const { uploadId } = entry.runner.state.way;
    if (uploadId === null) return;
    const job: Job = {
      entry,
      uploadId,
      controller: new AbortController(),
      nextPart: 1,
      inWork: 0,
      isLooking: false,
      hasLooked: false,
      session: null,
      sessionUntilWallMs: 0,
      hasFailed: false,
    };
    this.#jobs.set(entry, job);
    this.#queue.push(job);
    this.#pump();
  }

  /** Ends whatever is on its way for this file, at once. */
  withdraw(entry: FileEntry): void {
    const job = this.#jobs.get(entry);
    if (job === undefined) return;
    this.#forget(job);
    job.controller.abort();
    this.#pump();
  }

  /** Signed pieces that wait for their turn. */
  get readyCount(): number {
    return this.#readyCount;
  }

  /** Whether files wait for their turn. */
  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /** Whether bytes of this file are on their way right now. */
  isMoving(entry: FileEntry): boolean {
    return (this.#movingCounts.get(entry) ?? 0) > 0;
  }

  /** Milliseconds since any body has moved; null where none is on its way. */
  get silentMs(): number | null {
    const movedAtMs = Math.max(...Array.from(this.#flights, (flight) => flight.movedAtMs));
    return this.#flights.size === 0 ? null : this.#ports.clock.nowMs() - movedAtMs;
  }

  /** Bodies that have not moved for so long end; the server is asked what arrived, and the rest is sent anew. */
  cutOff(stillForMs: number): void {
    const nowMs = this.#ports.clock.nowMs();
    for (const { controller, movedAtMs } of [...this.#flights]) {
      if (nowMs - movedAtMs >= stillForMs) controller.abort();
    }
  }

  /** What a signature says of the upload as a whole. */
  take(entry: FileEntry, transfer: Transfer): void {
    const fileBytes = entry.runner.state.way.plan.fileBytes;
    switch (transfer.lane) {
      case "put":
        this.#takePlan(entry, planWithPartBytes(fileBytes, fileBytes), []);
        return;
      case "multipart":
        this.#usesSessions = false;
        this.#takePlan(entry, planWithPartBytes(fileBytes, transfer.partBytes), transfer.storedParts);
        return;
      case "resumable":
        this.#takeSession(entry, planOfSession(fileBytes, transfer), transfer);
    }
  }

  /** The offset is all the truth: a session that was lost and begun anew has forgotten what was sent. */
  #takeSession(entry: FileEntry, plan: PartPlan, session: Session): void {
    const job = this.#jobs.get(entry);
    this.#usesSessions = true;
    if (job !== undefined) {
      job.session = session;
      job.sessionUntilWallMs = this.#ports.clock.wallMs() + SESSION_SIGNED_MS;
      job.nextPart = 1;
    }
    this.#takePlan(entry, plan, wholePieces(plan, session.offset), true);
  }

  #takePlan(entry: FileEntry, plan: PartPlan, storedParts: readonly number[], isAll = false): void {
    const before = entry.runner.state.way.plan;
    const isOther =
      plan.partCount !== before.partCount || (plan.partCount > 1 && plan.partBytes !== before.partBytes);
    this.#ports.dispatch(entry, { type: "signed", plan, storedParts, isAll });
    // The server wrote down another plan when this upload began: what was cut by ours is cut again.
    if (isOther) this.offer(entry);
  }

  #forget(job: Job): void {
    this.#jobs.delete(job.entry);
    this.#queue = this.#queue.filter((other) => other !== job);
    this.#active = this.#active.filter((other) => other !== job);
  }

  #pump(): void {
    for (let piece = this.#nextPiece(); piece !== null; piece = this.#nextPiece()) void this.#work(piece);
  }

  #nextPiece(): Piece | null {
    if (this.#pieceCount >= MAX_PIECES || this.#readCount >= READS_AT_ONCE) return null;
    for (const job of this.#active) {
      const piece = this.#nextPieceOf(job);
      if (piece !== null) return this.#hasRoomFor(piece) ? piece : null;
    }
    const [next] = this.#queue;
    if (next === undefined || !this.#hasRoomFor(firstPieceOf(next))) return null;
    this.#queue.shift();
    this.#active.push(next);
    this.#ports.dispatch(next.entry, { type: "started" });
    return this.#nextPiece();
  }

  #nextPieceOf(job: Job): Piece | null {
    if (job.hasFailed) return null;
    const { way } = job.entry.runner.state;
    if (way.isResumed && way.plan.partCount > 1 && !job.hasLooked) {
      if (!job.isLooking) void this.#look(job);
      return null;
    }
    if (job.inWork > 0 && this.#isInOrder(job)) return null;
    while (job.nextPart <= way.plan.partCount && way.storedParts.has(job.nextPart)) job.nextPart += 1;
    if (job.nextPart > way.plan.partCount) return null;
    return { job, partNumber: job.nextPart, plan: way.plan };
  }

  #isInOrder(job: Job): boolean {
    return job.session !== null || this.#usesSessions;
  }

  #hasRoomFor(piece: Piece): boolean {
    const { bytes } = rangeOfPart(piece.plan, piece.partNumber);
    return this.#aheadBytes === 0 || this.#aheadBytes + bytes <= MAX_AHEAD_BYTES;
  }

  /** A file taken up again: what the store has of it is not even read from the disk. */
  async #look(job: Job): Promise<void> {
    job.isLooking = true;
    const answer = await this.#ports.connection.call(() => this.#ports.api.stored(job.uploadId));
    job.isLooking = false;
    job.hasLooked = true;
    if (job.controller.signal.aborted) return;
    if (!answer.ok) this.#ports.dispatch(job.entry, { type: "refused", failure: answer.failure });
    else this.#takeLook(job, answer.value);
    this.#pump();
  }

  #takeLook(job: Job, { row, stored }: StoredUpload): void {
    this.#ports.dispatch(job.entry, { type: "row", row });
    if (stored === null || job.controller.signal.aborted) return;
    this.#usesSessions ||= stored.parts.length === 0 && stored.bytes > 0;
    const { plan } = job.entry.runner.state.way;
    this.#ports.dispatch(job.entry, { type: "signed", plan, storedParts: partsStored(stored, plan) });
  }

  async #work(piece: Piece): Promise<void> {
    const { job } = piece;
    const { bytes } = rangeOfPart(piece.plan, piece.partNumber);
    job.nextPart = piece.partNumber + 1;
    job.inWork += 1;
    this.#pieceCount += 1;
    this.#aheadBytes += bytes;
    try {
      await this.#readAndSend(piece);
    } finally {
      job.inWork -= 1;
      this.#pieceCount -= 1;
      this.#aheadBytes -= bytes;
      this.#restIfFailed(job);
      this.#finishIfWhole(job);
      this.#pump();
    }
  }

  #restIfFailed(job: Job): void {
    const isStill = job.inWork === 0 && !job.controller.signal.aborted;
    if (job.hasFailed && isStill) this.#ports.dispatch(job.entry, { type: "store_failed" });
  }

  #finishIfWhole(job: Job): void {
    const isOurs = this.#jobs.get(job.entry) === job;
    if (isOurs && job.inWork === 0 && this.#nextPieceOf(job) === null && !job.isLooking) this.#forget(job);
  }

  async #readAndSend(piece: Piece): Promise<void> {
    let mayBeStored = piece.plan.partCount === 1 && piece.job.entry.runner.state.way.isResumed;
    for (const bodyOf of TRIES_IN_A_ROW) {
      const body = await this.#read(piece, bodyOf);
      if (body === null || (await this.#signAndSend(piece, body, mayBeStored))) return;
      mayBeStored = true;
    }
    piece.job.hasFailed = true;
  }

  /** Null where nothing gives these bytes any more, or nobody wants them. */
  async #read(piece: Piece, bodyOf: (read: ReadPiece) => Blob): Promise<Body | null> {
    const { entry, controller } = piece.job;
    const range = rangeOfPart(piece.plan, piece.partNumber);
    this.#readCount += 1;
    const read = await this.#ports.sources.read(entry, range.offset, range.bytes);
    this.#readCount -= 1;
    this.#pump();
    if (controller.signal.aborted) return null;
    if (read === null) {
      this.#ports.dispatch(entry, { type: "unreadable" });
      return null;
    }
    const crc = crc32(new Uint8Array(read.bytes));
    entry.partCrcs.set(piece.partNumber, crc);
    return { bytes: bodyOf(read), crc };
  }

  /** False where the try has failed, for now. */
  async #signAndSend(piece: Piece, body: Body, mayBeStored: boolean): Promise<boolean> {
    let ending: Ending = mayBeStored ? "look" : "again";
    while (ending === "look" || ending === "again") {
      if (piece.job.hasFailed) return true;
      ending = await this.#try(piece, body, ending === "look");
    }
    return ending === "over";
  }

  async #try(piece: Piece, body: Body, afterFailure: boolean): Promise<Ending> {
    const known = afterFailure ? null : this.#nextChunk(piece);
    const signed = known ?? (await this.#sign(piece, body.crc, afterFailure));
    switch (signed.kind) {
      case "request":
        return this.#endOf(piece, await this.#send(piece, signed, restOf(body.bytes, signed.skipBytes)));
      case "stored":
        this.#store(piece);
        return "over";
      case "missing":
        return "failed";
      case "out_of_turn":
      case "none":
        return "over";
    }
  }

  #sign(piece: Piece, crc: number, afterFailure: boolean): Promise<SignAnswer> {
    return this.#ports.signer.sign({
      entry: piece.job.entry,
      uploadId: piece.job.uploadId,
      partNumber: piece.plan.partCount === 1 ? null : piece.partNumber,
      crc,
      afterFailure,
      signal: piece.job.controller.signal,
    });
  }

  /** A session is signed once for all its pieces. Null where the server is to be asked (again). */
  #nextChunk({ job, plan, partNumber }: Piece): SignAnswer | null {
    const isFresh = this.#ports.clock.wallMs() <= job.sessionUntilWallMs;
    return job.session !== null && isFresh ? answerOf(chunkOf(plan, partNumber, job.session)) : null;
  }

  #endOf(piece: Piece, outcome: PutOutcome | { readonly kind: "expired" }): Ending {
    switch (outcome.kind) {
      case "stored":
        this.#keepOffset(piece.job, endOf(piece));
        this.#store(piece);
        return "over";
      case "partial":
        return this.#goOnFrom(piece, outcome.storedBytes);
      case "aborted":
        return piece.job.controller.signal.aborted ? "over" : "look";
      case "expired":
        return "again";
      case "throttled":
      case "failed":
      case "stalled":
        return "failed";
    }
  }

  /** The store has kept so much of the file. Less than before, or nothing more, is a failure: the server looks. */
  #goOnFrom(piece: Piece, storedBytes: number): Ending {
    const before = piece.job.session?.offset ?? 0;
    if (storedBytes <= before) return "failed";
    this.#keepOffset(piece.job, storedBytes);
    if (storedBytes < endOf(piece)) return "again";
    this.#store(piece);
    return "over";
  }

  #keepOffset(job: Job, offset: number): void {
    if (job.session !== null) job.session = { ...job.session, offset };
  }

  #store(piece: Piece): void {
    if (!piece.job.controller.signal.aborted) {
      this.#ports.dispatch(piece.job.entry, { type: "part_stored", number: piece.partNumber });
    }
  }

  /** `expired` where the wait for a slot outlived the signature. */
  async #send(
    piece: Piece,
    signed: Extract<SignAnswer, { kind: "request" }>,
    body: Blob,
  ): Promise<PutOutcome | { readonly kind: "expired" }> {
    const { entry, controller } = piece.job;
    const url = new URL(signed.request.url, this.#ports.baseUrl);
    this.#readyCount += 1;
    const release = await this.#ports.slots.acquire(url.origin, "bytes", controller.signal);
    this.#readyCount -= 1;
    this.#ports.signer.reconsider();
    if (release === null) return ABORTED;
    try {
      if (piece.job.hasFailed) return ABORTED;
      if (this.#ports.clock.wallMs() > signed.expiresAtWallMs) return { kind: "expired" };
      const startedAtMs = this.#ports.clock.nowMs();
      const outcome = await this.#put(piece, { ...signed.request, url: url.href }, body);
      this.#tellSlots(url.origin, startedAtMs, outcome);
      if (!controller.signal.aborted) this.#ports.onPutEnd(entry, piece.partNumber, outcome);
      return outcome;
    } finally {
      release();
      if (!controller.signal.aborted) this.#ports.onStill(entry);
    }
  }

  #tellSlots(origin: string, startedAtMs: number, outcome: PutOutcome): void {
    const { slots } = this.#ports;
    if (outcome.kind === "stored" || outcome.kind === "partial") slots.wentWell(origin);
    if (outcome.kind === "throttled") slots.throttle(origin, startedAtMs, outcome.retryAfterMs);
  }

  async #put(piece: Piece, request: SignedRequest, body: Blob): Promise<PutOutcome> {
    const { entry, controller } = piece.job;
    const flight: Flight = { controller: new AbortController(), movedAtMs: this.#ports.clock.nowMs() };
    const signal = AbortSignal.any([controller.signal, flight.controller.signal]);
    this.#flights.add(flight);
    this.#countMoving(entry, 1);
    this.#ports.onSending(entry);
    let countedBytes = 0;
    const isPart = piece.plan.partCount > 1;
    const count = (bytes: number): void => {
      if (bytes <= countedBytes) return;
      this.#ports.onMoved(entry, bytes - countedBytes);
      if (isPart) this.#ports.onUnderway(entry, bytes - countedBytes);
      countedBytes = bytes;
    };
    const onMoved = (bytes: number): void => {
      flight.movedAtMs = this.#ports.clock.nowMs();
      if (signal.aborted) return;
      count(Math.min(bytes, body.size));
      if (!isPart) this.#ports.dispatch(entry, { type: "moved", bytes });
    };
    const outcome = await this.#ports.put(request, body, { signal, onMoved });
    this.#flights.delete(flight);
    this.#countMoving(entry, -1);
    if (outcome.kind === "stored") count(body.size);
    if (isPart) this.#ports.onUnderway(entry, -countedBytes);
    return outcome;
  }

  #countMoving(entry: FileEntry, change: number): void {
    const count = (this.#movingCounts.get(entry) ?? 0) + change;
    if (count > 0) this.#movingCounts.set(entry, count);
    else this.#movingCounts.delete(entry);
  }
}

/** Each Blob that is made, a slice too, is told to another process. */
function restOf(body: Blob, skipBytes: number): Blob {
  return skipBytes === 0 ? body : body.slice(skipBytes);
}

function firstPieceOf(job: Job): Piece {
  return { job, partNumber: 1, plan: job.entry.runner.state.way.plan };
}

function endOf({ plan, partNumber }: Piece): number {
  const { offset, bytes } = rangeOfPart(plan, partNumber);
  return offset + bytes;
}

/** Parts of another size than planned belong to another plan and are sent again; a session has bytes and no parts. */
function partsStored(stored: StoredBytes, plan: PartPlan): number[] {
  if (stored.status === "complete") return Array.from({ length: plan.partCount }, (_, index) => index + 1);
  if (stored.parts.length === 0) return wholePieces(plan, stored.bytes);
  return stored.parts
    .filter(({ number, bytes }) => number <= plan.partCount && rangeOfPart(plan, number).bytes === bytes)
    .map(({ number }) => number);
}
