import { clientIdOf } from "../domain/client-id.ts";
import { type Failure, type GoneCode, goneCodeOf, goneFailure } from "../domain/failure.ts";
import type { FileCheck } from "../domain/file-check.ts";
import { chosenFile, type FileCommand, type FileEvent } from "../domain/file-machine.ts";
import { backoffMs, STORE_BACKOFF } from "../domain/retry.ts";
import { troublesOf } from "../domain/tally.ts";
import type { GalleryRow, SocketMessage, UploadRow } from "../domain/wire.ts";
import type { Network } from "../io/network.ts";
import type { PutOutcome, PutPart } from "../io/part-put.ts";
import type { OpenSocket } from "../io/progress-socket.ts";
import type { UploadApi } from "../io/upload-api.ts";
import type { Clock } from "../kernel/clock.ts";
import { unreachable } from "../kernel/result.ts";
import { SECOND_MS } from "../kernel/units.ts";
import { BatchedCalls } from "./batched-calls.ts";
import {
  Catalogue,
  countOf,
  type FileEntry,
  type FileFacts,
  failedCount,
  type GalleryEntry,
  isLeftByGallery,
  isOpen,
  isUnderway,
  openCount,
} from "./catalogue.ts";
import { Confirmations } from "./confirmations.ts";
import { Connection, type ConnectionStatus } from "./connection.ts";
import { FlightRecord } from "./flight-record.ts";
import { heldKey, idOf } from "./held-files.ts";
import { Inspector } from "./inspector.ts";
import { LineWatch } from "./line-watch.ts";
import type { Memory } from "./memory.ts";
import type { ChosenFile, EngineRequest } from "./port.ts";
import { receiptOf } from "./receipt.ts";
import { type Report, Reporter, type ViewerId } from "./reporter.ts";
import { Restore } from "./restore.ts";
import { Sidecars } from "./sidecars.ts";
import { Signer } from "./signer.ts";
import { Slots } from "./slots.ts";
import { Sources } from "./sources.ts";
import type { Add } from "./tab-words.ts";
import { Transfers } from "./transfers.ts";
import { FILES_AT_ONCE } from "./trickle.ts";

export type EnginePorts = {
  readonly api: UploadApi;
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly memory: Memory;
  readonly network: Network;
  readonly openSocket: OpenSocket;
  readonly put: PutPart;
  readonly random: () => number;
  readonly report: Report;
  /** Whose uploads these are; null where that is whoever signs in first. */
  readonly userId: string | null;
  /** A file is over: no tab needs to hold it any more. */
  readonly onFreed?: (galleryId: string, fileId: string) => void;
};

/** A disk that does not answer must not keep anybody from uploading. */
const RESTORE_WITHIN_MS = 10 * SECOND_MS;
const ANSWERED_AT_ONCE: ReadonlySet<EngineRequest["type"]> = new Set([
  "rows",
  "watch",
  "retry_session",
  "flight_record",
  "sign_out",
]);
/** A body that has not moved for so long when the network is back is on a socket that is dead. */
const STILL_MS = 5_000;

type Request = Exclude<EngineRequest, { type: "hello" }>;
type Control = Extract<
  EngineRequest,
  { type: "pause" | "resume" | "cancel" | "remove" | "retry" | "keep_both" }
>;

/** Runs the machines of every file and performs their commands. */
export class Engine {
  readonly #ports: EnginePorts;
  readonly #catalogue: Catalogue;
  readonly #connection: Connection;
  readonly #inspector: Inspector;
  readonly #memory: Memory;
  readonly #sources: Sources;
  /** Files that were looked for because a page shows them. */
  readonly #pictured = new WeakSet<FileEntry>();
  readonly #transfers: Transfers;
  readonly #reporter: Reporter;
  readonly #calls: BatchedCalls;
  readonly #sidecars: Sidecars;
  readonly #lineWatch: LineWatch;
  readonly #record: FlightRecord;
  readonly #confirmations = new Map<string, Confirmations>();
  /** What was asked before the files of an earlier visit are in the catalogue; null from then on. */
  #early: (() => void)[] | null = [];
  #nextOrder = 1;

  constructor(ports: EnginePorts) {
    this.#ports = ports;
    const { api, baseUrl, clock, memory, network, put, random, userId } = ports;
    this.#memory = memory;
    const ownOrigin = new URL(baseUrl).origin;
    this.#record = new FlightRecord(clock);
    const slots = new Slots({ ownOrigin, clock, random });
    this.#catalogue = new Catalogue((entry, command) => this.#perform(entry, command));
    this.#reporter = new Reporter({
      clock,
      galleries: this.#catalogue.galleries,
      keptOf: (entry) => memory.keptOf(entry),
      onBlank: (entry) => this.#findForPicture(entry),
      waitingFor: () => waitingFor(this.#connection.status),
      report: ports.report,
    });
    memory.onChanged(() => this.#reporter.changed());
    this.#connection = new Connection({
      api,
      clock,
      network,
      ownOrigin,
      random,
      slots,
      userId,
      onStatus: (status) => this.#onStatus(status),
      onReconnected: () => {
        this.#record.note("reconnected");
        this.#transfers.cutOff(STILL_MS);
      },
    });
    const sources = new Sources((entry) => memory.find(entry));
    this.#sources = sources;
    this.#inspector = new Inspector({
      sources,
      isWanted: (entry) => entry.runner.state.name === "inspecting",
      onChecked: (entry, check) => this.#takeCheck(entry, check),
    });
    const signer = new Signer({
      api,
      clock,
      connection: this.#connection,
      onTransfer: (entry, transfer) => this.#transfers.take(entry, transfer),
      onRow: (entry, row) => this.#dispatch(entry, { type: "row", row }),
      onRefusal: (entry, failure) => this.#dispatch(entry, { type: "refused", failure }),
      readyCount: () => this.#transfers.readyCount,
    });
    this.#transfers = new Transfers({
      api,
      baseUrl,
      clock,
      connection: this.#connection,
      put,
      signer,
      slots,
      sources,
      dispatch: (entry, event) => this.#dispatch(entry, event),
      onSending: (entry) => this.#onSending(entry),
      onStill: (entry) => this.#holdIfAway(entry),
      onMoved: (entry, bytes) => {
        entry.gallery.movedBytes += bytes;
        this.#record.countBytes(bytes);
      },
      onPutEnd: (entry, partNumber, outcome) => this.#notePut(entry, partNumber, outcome),
      onUnderway: (entry, change) => {
        entry.gallery.underwayBytes += change;
      },
    });
    this.#calls = new BatchedCalls({
      api,
      catalogue: this.#catalogue,
      clock,
      connection: this.#connection,
      random,
      isBusy: () => this.#transfers.isBusy,
      dispatch: (entry, event) => this.#dispatch(entry, event),
      onResumed: (entry, state) => this.#record.note("resumed", { file: entry.clientId, state }),
      onCancelled: (entry) => memory.forget(entry),
    });
    this.#sidecars = new Sidecars({
      api,
      catalogue: this.#catalogue,
      clock,
      connection: this.#connection,
      memory,
      random,
      report: ports.report,
      onChanged: () => this.#reporter.changed(),
    });
    const beginWithoutIt = clock.after(RESTORE_WITHIN_MS, () => this.#takeEarly());
    const restoring = new Restore({
      api,
      catalogue: this.#catalogue,
      clock,
      connection: this.#connection,
      memory,
      random,
      dispatch: (entry, event) => this.#dispatch(entry, event),
      cancelAgain: (entry) => this.#perform(entry, { type: "cancel" }),
      onRestored: (gallery) => this.#takeRestored(gallery),
      onGone: (gallery, code) => this.#endGone(gallery, code),
    }).begin();
    void restoring.finally(() => {
      beginWithoutIt();
      this.#takeEarly();
    });
    this.#lineWatch = new LineWatch({
      clock,
      network,
      isWanted: () => this.#hasOpenFiles(),
      silentMs: () => this.#transfers.silentMs,
      onSilence: () => {
        this.#record.note("silence");
        this.#connection.doubt();
      },
      onRenewed: (why) => {
        this.#record.note(why);
        this.#renew();
      },
    });
    network.onOffline(() => this.#record.note("offline"));
  }

  /** What concerns files waits until those of an earlier visit are known: what is asked is meant for them as well. */
  handle(request: Request, viewerId: ViewerId): void {
    if (ANSWERED_AT_ONCE.has(request.type)) this.#handle(request, viewerId);
    else this.#whenRestored(() => this.#handle(request, viewerId));
  }

  #whenRestored(run: () => void): void {
    if (this.#early === null) run();
    else this.#early.push(run);
  }

  #takeEarly(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const run of early) run();
  }

  #handle(request: Request, viewerId: ViewerId): void {
    switch (request.type) {
      case "add":
        this.#add(request);
        break;
      case "sidecars":
        this.#sidecars.add(request);
        break;
      case "rows":
        this.#reporter.show(viewerId, request);
        break;
      case "watch":
        this.#watch(viewerId, request.galleryId);
        break;
      case "retry_session":
        this.#connection.retrySession();
        break;
      case "roots_granted":
        this.#readRootsAgain();
        break;
      case "dismiss":
        this.#dismiss();
        break;
      case "receipt":
        void this.#tellReceipt(request.galleryId, viewerId);
        break;
      case "flight_record":
        this.#ports.report({ type: "flight_record", text: this.#record.text() }, viewerId);
        break;
      case "sign_out":
        void this.signOut().then(() => this.#ports.report({ type: "signed_out" }));
        break;
      case "pause":
      case "resume":
      case "cancel":
      case "remove":
      case "retry":
      case "keep_both":
        this.#control(request);
        break;
      default:
        unreachable(request);
    }
  }

  /** Files that outlived the tab which sent them: who waits for one gets it, and what is unknown here is chosen. */
  attach(add: Add): void {
    this.#whenRestored(() => this.#attach(add));
  }

  #attach(add: Add): void {
    const byClientId = this.#catalogue.galleries.get(add.galleryId)?.byClientId;
    const files = add.files.filter((chosen) => {
      const known = byClientId?.get(idOf(chosen));
      return known === undefined || needsFile(known);
    });
    if (files.length > 0) this.#add({ ...add, type: "add", files });
  }

  /** Some of the files that other tabs must hold as well, to go on with when this one has died; not those in `held`. */
  nextToHold(held: ReadonlySet<string>): Add | null {
    for (const gallery of this.#catalogue.galleries.values()) {
      const isHeld = ({ clientId }: FileEntry): boolean => held.has(heldKey(gallery.id, clientId));
      const wanted = gallery.files.filter((entry) => !isHeld(entry) && this.#isOursAlone(entry));
      const files = wanted.flatMap(chosenOf).slice(0, FILES_AT_ONCE);
      const { id, title, profile } = gallery;
      if (files.length > 0) return { galleryId: id, title, profile, files };
    }
    return null;
  }

  /** Without this tab, nothing would end it: not even what has been sent whole, where no one else knows of it. */
  #isOursAlone(entry: FileEntry): boolean {
    const isSent = entry.runner.state.name === "confirming";
    return !isOver(entry) && (isSent || this.#memory.keptOf(entry) === "none");
  }

  /** Sends nothing any more. */
  async signOut(): Promise<void> {
    this.#stop();
    // A person who leaves does not wait for what an earlier visit left; it is not to begin either.
    this.#whenRestored(() => this.#stop());
    await this.#memory.wipe();
  }

  #stop(): void {
    for (const gallery of this.#catalogue.galleries.values()) this.#controlGallery(gallery, "pause");
    for (const confirmations of this.#confirmations.values()) confirmations.close();
    this.#sidecars.stop();
  }

  /** A page is gone: nothing is told it any more. */
  forget(viewerId: ViewerId): void {
    this.#watch(viewerId, null);
    this.#reporter.forget(viewerId);
  }

  // What the page asks.

  #add({ galleryId, title, files, profile, roots, choiceId }: Extract<EngineRequest, { type: "add" }>): void {
    this.#memory.rememberRoots(roots ?? []);
    const gallery = this.#catalogue.gallery(galleryId, title, this.#ports.clock.nowMs());
    gallery.title = title;
    gallery.profile = profile ?? gallery.profile;
    gallery.endedAtMs = null;
    gallery.runner.dispatch({ type: "files_added" });
    this.#memory.rememberGallery(gallery);
    for (const chosen of files) this.#choose(gallery, chosen).choiceId = choiceId ?? null;
    this.#follow(gallery);
    this.#reporter.hasNews();
  }

  #choose(gallery: GalleryEntry, chosen: ChosenFile): FileEntry {
    const { file } = chosen;
    const facts = factsOf(chosen, this.#nextOrder);
    const known = gallery.byClientId.get(facts.clientId);
    if (known === undefined) this.#noteIfChanged(gallery, chosen);
    const entry = known ?? this.#catalogue.add(gallery, facts, chosenFile(file.size));
    this.#nextOrder += 1;
    // The handle just given is the one that can be read.
    entry.file = file;
    entry.rootId = facts.rootId ?? entry.rootId;
    entry.needsPermission = false;
    entry.isPaused = gallery.isPaused;
    if (known === undefined) this.#inspector.add(entry);
    else this.#dispatch(entry, { type: "chosen" });
    if (gallery.isPaused) this.#dispatch(entry, { type: "pause" });
    this.#memory.chose(entry);
    return entry;
  }

  /**
   * The same path with other bytes or another date. Only a path through folders tells: every camera calls its first
   * photo alike. The file that was chosen before keeps its place, for it may lie on another card.
   */
  #noteIfChanged(gallery: GalleryEntry, { relativePath }: ChosenFile): void {
    if (!gallery.paths.has(relativePath)) return;
    const wasNeeded = gallery.files.some((entry) => entry.relativePath === relativePath && needsFile(entry));
    if (wasNeeded || relativePath.includes("/")) gallery.changedNames.push(relativePath);
  }

  /** A file of an earlier visit is on the screen before its turn has come to be read. */
  #findForPicture(entry: FileEntry): void {
    if (this.#pictured.has(entry)) return;
    this.#pictured.add(entry);
    void this.#sources.find(entry, null).then(() => this.#reporter.changed());
  }

  /** What an earlier visit left goes on from here. */
  #takeRestored(gallery: GalleryEntry): void {
    for (const entry of gallery.files) {
      this.#nextOrder = Math.max(this.#nextOrder, entry.order + 1);
      this.#holdIfAway(entry);
    }
    this.#follow(gallery);
    this.#sidecars.tell(gallery.id);
    this.#reporter.changed();
  }

  #readRootsAgain(): void {
    for (const gallery of this.#catalogue.galleries.values()) {
      for (const entry of gallery.files) {
        if (!entry.needsPermission) continue;
        entry.needsPermission = false;
        this.#dispatch(entry, { type: "retry" });
      }
    }
    this.#reporter.changed();
  }

  async #tellReceipt(galleryId: string, viewerId: ViewerId): Promise<void> {
    const gallery = this.#catalogue.galleries.get(galleryId);
    if (gallery === undefined) return;
    const { api, baseUrl, report } = this.#ports;
    const lines = await receiptOf(gallery, { api, baseUrl, connection: this.#connection });
    report({ type: "receipt", galleryId, title: gallery.title, lines }, viewerId);
  }

  /** What has ended is not told any more; what it takes to go on stays. */
  #dismiss(): void {
    for (const gallery of [...this.#catalogue.galleries.values()]) {
      if (!isUnderway(gallery)) this.#dropGallery(gallery);
    }
  }

  #dropGallery(gallery: GalleryEntry): void {
    for (const entry of gallery.files) this.#transfers.withdraw(entry);
    this.#sidecars.forget(gallery.id);
    this.#memory.forgetGallery(gallery);
    this.#catalogue.drop(gallery);
    this.#closeIfIdle(gallery.id);
    this.#reporter.changed();
  }

  /** Its files that were not sent stay told; without any there is nothing to tell. */
  #endGone(gallery: GalleryEntry, code: GoneCode): void {
    this.#refuseAll(gallery, goneFailure(code));
    if (!gallery.files.some(isLeftByGallery)) this.#dropGallery(gallery);
  }

  #watch(viewerId: ViewerId, galleryId: string | null): void {
    const before = this.#reporter.watch(viewerId, galleryId);
    if (before !== null && before !== galleryId) this.#closeIfIdle(before);
    if (galleryId === null) return;
    this.#openConfirmations(galleryId);
    this.#ports.report(this.#sidecars.reportOf(galleryId), viewerId);
  }

  #control({ type, galleryId, fileIds, code }: Control): void {
    const galleries = this.#catalogue.galleriesWith(galleryId);
    if (fileIds !== undefined) {
      for (const entry of this.#catalogue.filesWith(fileIds, galleryId)) this.#controlFile(entry, type);
    } else if (code !== undefined) {
      const entries = galleries.flatMap((gallery) =>
        gallery.files.filter((entry) => hasTrouble(entry, code)),
      );
      for (const entry of entries) this.#controlFile(entry, type);
    } else {
      for (const gallery of galleries) this.#controlGallery(gallery, type);
    }
    this.#reporter.hasNews();
  }

  #controlGallery(gallery: GalleryEntry, type: Control["type"]): void {
    gallery.isPaused = type === "pause" || (gallery.isPaused && type === "retry");
    this.#memory.rememberGallery(gallery);
    // Cancelling stops what is still on its way; what has failed stays on the list until it is removed.
    const entries = type === "cancel" ? gallery.files.filter(isOpen) : gallery.files;
    for (const entry of entries) this.#controlFile(entry, type);
  }

  #controlFile(entry: FileEntry, type: Control["type"]): void {
    entry.isPaused = type === "pause" || (entry.isPaused && type !== "resume");
    this.#dispatch(entry, { type: type === "cancel" ? "remove" : type });
  }

  // What the machines ask.

  #perform(entry: FileEntry, command: FileCommand): void {
    switch (command.type) {
      case "inspect":
        this.#inspector.add(entry);
        break;
      case "register":
        this.#calls.register(entry);
        break;
      case "reopen":
        this.#calls.reopen(entry);
        break;
      case "offer":
        this.#offer(entry);
        break;
      case "withdraw":
        this.#transfers.withdraw(entry);
        break;
      case "complete":
        this.#calls.complete(entry);
        break;
      case "cancel":
        this.#calls.cancel(entry);
        break;
      case "rest":
        this.#rest(entry, command.attempt);
        break;
      default:
        unreachable(command);
    }
  }

  #dispatch(entry: FileEntry, event: FileEvent): void {
    entry.runner.dispatch(event);
    if (event.type === "moved" || event.type === "part_stored") this.#report(entry);
    this.#holdIfAway(entry);
  }

  /** The sums, the gallery and the page follow the state that a file has come to. */
  #followFile(entry: FileEntry): void {
    this.#reporter.changed();
    this.#sidecars.follow(entry);
    if (!this.#catalogue.recount(entry) || !this.#catalogue.has(entry.gallery)) return;
    this.#memory.follow(entry);
    this.#noteIfFailed(entry);
    if (isOver(entry)) {
      entry.partCrcs.clear();
      if (!isDuplicate(entry)) this.#sources.letGo(entry);
      this.#ports.onFreed?.(entry.gallery.id, entry.clientId);
    }
    this.#follow(entry.gallery);
  }

  /** A file that needs the server while it cannot be reached says so. */
  #holdIfAway(entry: FileEntry): void {
    const status = this.#connection.status;
    const isAway = status === "offline" || status === "sign_in";
    if (isAway && !this.#transfers.isMoving(entry)) entry.runner.dispatch({ type: "away", why: status });
    this.#followFile(entry);
  }

  /** What goes on by itself, as after a verification that found wrong bytes, rests while it is paused. */
  #offer(entry: FileEntry): void {
    if (entry.isPaused) this.#dispatch(entry, { type: "pause" });
    else this.#transfers.offer(entry);
  }

  #rest(entry: FileEntry, attempt: number): void {
    const delayMs = backoffMs(STORE_BACKOFF, attempt, this.#ports.random());
    this.#record.note("rest", { file: entry.clientId, attempt, delay_ms: delayMs });
    this.#ports.clock.after(delayMs, () => this.#dispatch(entry, { type: "pause_over" }));
  }

  #takeCheck(entry: FileEntry, check: FileCheck | null): void {
    if (check === null) {
      this.#dispatch(entry, { type: "unreadable" });
    } else if (check.ok) {
      entry.type = check.type;
      this.#dispatch(entry, { type: "inspected" });
    } else {
      this.#dispatch(entry, { type: "rejected", reasons: check.reasons });
    }
  }

  // What happens.

  #notePut(entry: FileEntry, part: number, outcome: PutOutcome): void {
    const isStored = outcome.kind === "stored" || outcome.kind === "partial";
    this.#record.countPut(isStored);
    if (isStored) return;
    const facts = { file: entry.clientId, part };
    switch (outcome.kind) {
      case "throttled":
        this.#record.note("throttled", { ...facts, retry_after_ms: outcome.retryAfterMs });
        break;
      case "failed":
        this.#record.note("put_failed", { ...facts, status: outcome.status });
        break;
      case "stalled":
        this.#record.note("stalled", facts);
        break;
      case "aborted":
        this.#record.note("cut_off", facts);
        break;
      default:
        unreachable(outcome);
    }
  }

  #noteIfFailed({ clientId, runner }: FileEntry): void {
    if (runner.state.name === "failed") {
      this.#record.note("failed", { file: clientId, code: runner.state.failure.code });
    }
  }

  #hasOpenFiles(): boolean {
    return [...this.#catalogue.galleries.values()].some((gallery) => openCount(gallery) > 0);
  }

  /** Whatever is in flight is sent and asked anew, on sockets of the network that is there now. */
  #renew(): void {
    this.#connection.renew();
    this.#transfers.cutOff(0);
    for (const confirmations of this.#confirmations.values()) confirmations.reopenNow();
  }

  #onStatus(status: ConnectionStatus): void {
    this.#record.note("status", { status });
    for (const gallery of this.#catalogue.galleries.values()) {
      for (const entry of gallery.files) {
        if (status === "open") this.#dispatch(entry, { type: "back" });
        else this.#holdIfAway(entry);
      }
    }
    this.#reporter.changed();
  }

  #onSending(entry: FileEntry): void {
    this.#dispatch(entry, { type: "back" });
    if (entry.gallery.runner.state.name !== "form") return;
    entry.gallery.runner.dispatch({ type: "sending" });
    this.#reporter.hasNews();
  }

  #report(entry: FileEntry): void {
    const { uploadId, sentBytes, storedParts } = entry.runner.state.way;
    if (uploadId === null) return;
    this.#confirmations.get(entry.gallery.id)?.report([uploadId, sentBytes, storedParts.size]);
  }

  /** The gallery's own state follows from the counts of its files'. */
  #follow(gallery: GalleryEntry): void {
    const open = openCount(gallery);
    if (open === 0) this.#settle(gallery);
    else {
      this.#openConfirmations(gallery.id);
      this.#lineWatch.watch();
      if (gallery.runner.state.name === "complete") gallery.runner.dispatch({ type: "sending" });
    }
    // The last of a round does not wait for company.
    if (open > 0 && open === countOf(gallery, "confirming")) this.#calls.completeNow();
  }

  #settle(gallery: GalleryEntry): void {
    const doneCount = countOf(gallery, "done");
    const isEmpty = doneCount + failedCount(gallery) === 0;
    if (isEmpty) gallery.runner.dispatch({ type: "emptied" });
    else gallery.runner.dispatch({ type: "settled", doneCount, failedCount: failedCount(gallery) });
    gallery.endedAtMs ??= this.#ports.clock.wallMs();
    this.#memory.rememberGallery(gallery);
    this.#closeIfIdle(gallery.id);
    this.#reporter.hasNews();
  }

  #openConfirmations(galleryId: string): void {
    if (this.#confirmations.has(galleryId)) return;
    const { api, baseUrl, clock, openSocket, random } = this.#ports;
    const url = new URL(`/ws/galleries/${galleryId}/`, baseUrl);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const confirmations = new Confirmations({
      api,
      clock,
      random,
      open: openSocket,
      connection: this.#connection,
      socketUrl: url.href,
      galleryId,
      isAwaiting: () => this.#isAwaiting(galleryId),
      onRow: (row) => this.#takeNews(row),
      onGallery: (row) => this.#takeGallery(row),
      onMessage: (message) => this.#takeMessage(galleryId, message),
      onRefusal: (failure) => this.#refuseGallery(galleryId, failure),
    });
    this.#confirmations.set(galleryId, confirmations);
  }

  #closeIfIdle(galleryId: string): void {
    const gallery = this.#catalogue.galleries.get(galleryId);
    const isUnderway = gallery !== undefined && openCount(gallery) > 0;
    if (isUnderway || this.#reporter.isWatched(galleryId)) return;
    this.#confirmations.get(galleryId)?.close();
    this.#confirmations.delete(galleryId);
  }

  #isAwaiting(galleryId: string): boolean {
    const gallery = this.#catalogue.galleries.get(galleryId);
    return gallery !== undefined && countOf(gallery, "confirming") > 0;
  }

  #takeNews(row: UploadRow): void {
    const entry = row.id === null ? null : this.#catalogue.findByUploadId(row.id);
    if (entry !== null) this.#dispatch(entry, { type: "row", row });
  }

  #takeGallery(row: GalleryRow): void {
    const gallery = this.#catalogue.galleries.get(row.id);
    if (gallery === undefined) return;
    gallery.title = row.title;
    gallery.profile = row.profile;
    gallery.runner.dispatch({ type: "auto_publish", isOn: row.autoPublish });
    this.#reporter.changed();
  }

  #takeMessage(galleryId: string, message: SocketMessage): void {
    if (message.type === "publication" && message.publication !== null) {
      const gallery = this.#catalogue.galleries.get(galleryId);
      gallery?.runner.dispatch({ type: "publication", state: message.publication.state });
      this.#reporter.hasNews();
    }
    this.#reporter.tellLive(galleryId, message);
  }

  /** Deleted, or no longer ours: what waits for word from it will not get any. */
  #refuseGallery(galleryId: string, failure: Failure): void {
    const gallery = this.#catalogue.galleries.get(galleryId);
    const goneCode = goneCodeOf(failure);
    if (gallery !== undefined) this.#refuseAll(gallery, goneCode === null ? failure : goneFailure(goneCode));
  }

  #refuseAll({ files }: GalleryEntry, failure: Failure): void {
    for (const entry of files) this.#dispatch(entry, { type: "refused", failure });
  }
}

function waitingFor(status: ConnectionStatus): "connection" | "sign_in" | null {
  if (status === "offline") return "connection";
  return status === "sign_in" ? "sign_in" : null;
}

/** Nothing will be read of it any more. */
function isOver({ runner }: FileEntry): boolean {
  return runner.state.name === "done" || runner.state.name === "removed";
}

/** A person may want it all the same: then it is read. */
function isDuplicate({ runner }: FileEntry): boolean {
  return runner.state.name === "done" && runner.state.isDuplicate;
}

function needsFile({ runner }: FileEntry): boolean {
  return runner.state.name === "waiting" && runner.state.why === "file_needed";
}

/** What was read from a folder or from this browser's own store is found there again. */
function chosenOf({ file, relativePath, rootId }: FileEntry): ChosenFile[] {
  if (file === null || !("lastModified" in file)) return [];
  const chosen = { file: file as File, relativePath };
  return rootId === null ? [chosen] : [{ ...chosen, rootId }];
}

function hasTrouble(entry: FileEntry, code: string): boolean {
  return troublesOf(entry.runner.state).some((trouble) => trouble.code === code);
}

function factsOf({ file, relativePath, rootId }: ChosenFile, order: number): FileFacts {
  const identity = { path: relativePath, fileBytes: file.size, lastModifiedMs: file.lastModified };
  return {
    clientId: clientIdOf(identity),
    name: file.name,
    relativePath,
    sizeBytes: file.size,
    lastModifiedMs: file.lastModified,
    order,
    file,
    rootId: rootId ?? null,
    type: null,
  };
}
