// Pure: the way of one file through the browser. docs/engine.md shows it as a diagram, made from this table.
import type { Step } from "../kernel/machine.ts";
import {
  type Failure,
  failureHere,
  type GoneCode,
  goneFailure,
  isGone,
  isRegisteredAnew,
  isResent,
  MAX_RESENDS,
} from "./failure.ts";
import { bytesOfParts, type PartPlan, planParts } from "./part-plan.ts";
import { MAX_STORE_TROUBLES } from "./retry.ts";
import type { UploadRow, UploadRowState } from "./wire.ts";

/** What a file takes along from state to state. */
export type Way = {
  readonly plan: PartPlan;
  /** The server's row, once there is one. */
  readonly uploadId: string | null;
  readonly rowVersion: number;
  readonly storedParts: ReadonlySet<number>;
  /** Never goes back while the same bytes are on their way: a repeated request does not undo what a person saw. */
  readonly sentBytes: number;
  /** The store may have bytes of this file that this browser session has not seen stored. */
  readonly isResumed: boolean;
  readonly allowsDuplicate: boolean;
  readonly resendCount: number;
  /** Rounds with the store that stored nothing. */
  readonly troubleCount: number;
};

/** What a queued file waits for: an answer about its row, a free slot, or the end of a pause after trouble. */
export type QueuedFor = "row" | "slot" | "pause";

type Queued = { readonly name: "queued"; readonly awaits: QueuedFor; readonly way: Way };
type Signing = { readonly name: "signing"; readonly way: Way };
type Uploading = { readonly name: "uploading"; readonly way: Way };
type Underway = Queued | Signing | Uploading;

/** How a failed file is taken up again: a new row, the old row reopened, or only its bytes sent. */
export type WayBack = "register" | "reopen" | "send";

export type FileState =
  | { readonly name: "inspecting"; readonly way: Way }
  | { readonly name: "invalid"; readonly reasons: readonly string[]; readonly way: Way }
  | Underway
  | { readonly name: "confirming"; readonly way: Way }
  | {
      readonly name: "done";
      readonly photoId: string | null;
      readonly isDuplicate: boolean;
      /** This very file was verified before it was chosen: no byte of it was sent. */
      readonly wasHere?: boolean;
      readonly way: Way;
    }
  | {
      readonly name: "waiting";
      readonly why: "offline" | "sign_in";
      readonly held: Underway;
      readonly way: Way;
    }
  | { readonly name: "waiting"; readonly why: "file_needed"; readonly way: Way }
  | { readonly name: "paused"; readonly isInspected: boolean; readonly way: Way }
  | { readonly name: "failed"; readonly failure: Failure; readonly back: WayBack; readonly way: Way }
  | { readonly name: "removed"; readonly way: Way };

/** What the machine reads of a row. */
export type RowNews = Pick<UploadRow, "id" | "state" | "version" | "failure" | "photoId">;

export type FileEvent =
  /** A person picked the file (again). */
  | { readonly type: "chosen" }
  | { readonly type: "inspected" }
  | { readonly type: "rejected"; readonly reasons: readonly string[] }
  /** The disk no longer gives the bytes that were chosen. */
  | { readonly type: "unreadable" }
  /** The answer to this file's own register or reopen, or the first word of its row after the browser was away. */
  | { readonly type: "registered"; readonly row: RowNews }
  /** The server was asked what it has, and has no row of this file. */
  | { readonly type: "unregistered" }
  /** A row from anywhere else: sign, complete, cancel, socket, list. */
  | { readonly type: "row"; readonly row: RowNews }
  | { readonly type: "refused"; readonly failure: Failure }
  /** The first piece is being read. */
  | { readonly type: "started" }
  /** `isAll`: the store has these parts and no others, whatever was counted before. */
  | {
      readonly type: "signed";
      readonly plan: PartPlan;
      readonly storedParts: readonly number[];
      readonly isAll?: boolean;
    }
  | { readonly type: "moved"; readonly bytes: number }
  | { readonly type: "part_stored"; readonly number: number }
  /** The store failed again right after a fresh signature. */
  | { readonly type: "store_failed" }
  | { readonly type: "pause_over" }
  | { readonly type: "away"; readonly why: "offline" | "sign_in" }
  | { readonly type: "back" }
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  | { readonly type: "remove" }
  | { readonly type: "retry" }
  | { readonly type: "keep_both" };

export type FileCommand =
  | { readonly type: "inspect" }
  | { readonly type: "register" }
  | { readonly type: "reopen" }
  /** Hand the file to the slots. */
  | { readonly type: "offer" }
  /** Stop whatever moves for this file, at once. */
  | { readonly type: "withdraw" }
  | { readonly type: "complete" }
  | { readonly type: "cancel" }
  | { readonly type: "rest"; readonly attempt: number };

export type FileStep = Step<FileState, FileCommand>;

const INSPECT: FileCommand = { type: "inspect" };
const REGISTER: FileCommand = { type: "register" };
const REOPEN: FileCommand = { type: "reopen" };
const OFFER: FileCommand = { type: "offer" };
const WITHDRAW: FileCommand = { type: "withdraw" };
const COMPLETE: FileCommand = { type: "complete" };
const CANCEL: FileCommand = { type: "cancel" };

export function chosenFile(fileBytes: number): FileState {
  return { name: "inspecting", way: newWay(fileBytes) };
}

/** What an earlier visit wrote down of a file. */
export type Remembered = {
  readonly fileBytes: number;
  readonly uploadId: string | null;
  readonly allowsDuplicate: boolean;
  readonly end: RememberedEnd | null;
  /** Whether its bytes can be read without asking anybody. */
  readonly isAtHand: boolean;
  readonly isPaused: boolean;
};
export type RememberedEnd =
  | { readonly kind: "done"; readonly photoId: string | null; readonly isDuplicate: boolean }
  | { readonly kind: "invalid"; readonly reasons: readonly string[] }
  | { readonly kind: "refused"; readonly failure: Failure }
  | { readonly kind: "removed" };

/** Where a file of an earlier visit goes on: the server is asked first, whatever was written down. */
export function rememberedFile(file: Remembered): FileState {
  const way: Way = {
    ...newWay(file.fileBytes),
    uploadId: file.uploadId,
    isResumed: file.uploadId !== null,
    allowsDuplicate: file.allowsDuplicate,
  };
  if (file.end?.kind === "done") return done(way, file.end.photoId, file.end.isDuplicate)[0];
  if (file.end?.kind === "invalid") return { name: "invalid", reasons: file.end.reasons, way };
  if (file.end?.kind === "refused")
    return { name: "failed", failure: file.end.failure, back: "register", way };
  if (file.end?.kind === "removed") return { name: "removed", way };
  if (!file.isAtHand) return { name: "waiting", why: "file_needed", way };
  if (file.isPaused) return { name: "paused", isInspected: file.uploadId !== null, way };
  return { name: "queued", awaits: "row", way };
}

function newWay(fileBytes: number): Way {
  return {
    plan: planParts(fileBytes),
    uploadId: null,
    rowVersion: 0,
    storedParts: new Set(),
    sentBytes: 0,
    isResumed: false,
    allowsDuplicate: false,
    resendCount: 0,
    troubleCount: 0,
  };
}

export function fileMachine(state: FileState, event: FileEvent): FileStep {
  switch (event.type) {
    case "chosen":
    case "inspected":
    case "rejected":
    case "unreadable":
      return onDisk(state, event);
    case "registered":
    case "unregistered":
    case "row":
    case "refused":
      return onServer(state, event);
    case "started":
    case "signed":
    case "moved":
    case "part_stored":
    case "store_failed":
    case "pause_over":
      return onSlots(state, event);
    case "away":
    case "back":
      return onConnection(state, event);
    default:
      return onPerson(state, event);
  }
}

type EventOf<Type extends FileEvent["type"]> = Extract<FileEvent, { type: Type }>;

/** A file whose end does not depend on anything any more. */
export function isEnded({ name }: FileState): boolean {
  return name === "done" || name === "failed" || name === "invalid" || name === "removed";
}

function stay(state: FileState): FileStep {
  return [state, []];
}

// The disk.

function onDisk(
  state: FileState,
  event: EventOf<"chosen" | "inspected" | "rejected" | "unreadable">,
): FileStep {
  switch (event.type) {
    case "chosen":
      return chooseAgain(state);
    case "inspected":
      return state.name === "inspecting" ? register(state.way) : stay(state);
    case "rejected":
      return state.name === "inspecting"
        ? [{ name: "invalid", reasons: event.reasons, way: state.way }, []]
        : stay(state);
    case "unreadable":
      return loseFile(state);
  }
}

/** Known files are asked about again: the server tells whether anything is left to do. */
function chooseAgain(state: FileState): FileStep {
  const isLost = state.name === "waiting" && state.why === "file_needed";
  if (!isEnded(state) && !isLost) return stay(state);
  // Removed before the server answers, its row is still to be cancelled.
  const uploadId = isLost || state.name === "failed" ? state.way.uploadId : null;
  return [{ name: "inspecting", way: { ...fresh(state.way), uploadId } }, [INSPECT]];
}

function loseFile(state: FileState): FileStep {
  if (state.name === "inspecting" || isUnderway(state) || isHeld(state)) {
    return [{ name: "waiting", why: "file_needed", way: state.way }, [WITHDRAW]];
  }
  return stay(state);
}

function register(way: Way): FileStep {
  return [{ name: "queued", awaits: "row", way }, [REGISTER]];
}

/** The same file as if just chosen; only what the person decided about it stays. */
function fresh(way: Way): Way {
  return { ...newWay(way.plan.fileBytes), allowsDuplicate: way.allowsDuplicate };
}

// The server.

function onServer(
  state: FileState,
  event: EventOf<"registered" | "unregistered" | "row" | "refused">,
): FileStep {
  switch (event.type) {
    case "registered":
      return takeAnswer(state, event.row);
    case "unregistered":
      return beginAgain(state);
    case "row":
      return event.row.version < state.way.rowVersion ? stay(state) : takeNews(state, event.row);
    case "refused":
      return takeRefusal(state, event.failure);
  }
}

type RowMeaning = "bytes_needed" | "in_store" | "verified" | "failed" | "cancelled" | "expired";

const MEANINGS: Readonly<Record<UploadRowState, RowMeaning>> = {
  registered: "bytes_needed",
  signed: "bytes_needed",
  uploading: "bytes_needed",
  uploaded: "in_store",
  verifying: "in_store",
  verified: "verified",
  failed: "failed",
  cancelled: "cancelled",
  expired: "expired",
  refused: "failed",
};

function meaningOf(row: RowNews): RowMeaning {
  return row.state === null ? "failed" : MEANINGS[row.state];
}

function withRow(way: Way, row: RowNews): Way {
  return { ...way, uploadId: row.id ?? way.uploadId, rowVersion: row.version };
}

function takeAnswer(state: FileState, row: RowNews): FileStep {
  const way = withRow(state.way, row);
  if (state.name === "removed") return takeAnswerRemoved(way, row);
  if (state.name === "paused") return takeNews({ ...state, way }, row);
  if (isHeld(state)) return holdAgain(state, takeAnswer(state.held, row));
  if (state.name !== "queued" || state.awaits !== "row") return stay(state);
  if (meaningOf(row) === "bytes_needed") return offer(unsent(way, row.state !== "registered"));
  const [next, commands] = end({ ...state, way }, row);
  const wasHere = next.name === "done" && !next.isDuplicate && state.way.uploadId === null;
  return [wasHere ? { ...next, wasHere } : next, commands];
}

/** Chosen, but the browser was gone before the server heard of it. */
function beginAgain(state: FileState): FileStep {
  if (isHeld(state)) return holdAgain(state, beginAgain(state.held));
  if (state.name === "paused") return stay({ ...state, isInspected: false, way: fresh(state.way) });
  if (state.name !== "queued" || state.awaits !== "row") return stay(state);
  return [{ name: "inspecting", way: fresh(state.way) }, [INSPECT]];
}

/** Removed while the server wrote the row down: it is taken back there too. */
function takeAnswerRemoved(way: Way, row: RowNews): FileStep {
  if (meaningOf(row) === "verified") return done(way, row.photoId, false);
  const isOpen = meaningOf(row) === "bytes_needed" || meaningOf(row) === "in_store";
  return [{ name: "removed", way }, isOpen ? [CANCEL] : []];
}

function unsent(way: Way, isResumed: boolean): Way {
  return { ...way, isResumed, storedParts: new Set() };
}

function offer(way: Way): FileStep {
  return [{ name: "queued", awaits: "slot", way }, [OFFER]];
}

function takeNews(state: FileState, row: RowNews): FileStep {
  switch (state.name) {
    case "inspecting":
    case "invalid":
    case "done":
      return stay(state);
    case "removed":
      return meaningOf(row) === "verified" ? done(withRow(state.way, row), row.photoId, false) : stay(state);
    case "failed":
      return takeNewsFailed(state, row);
    case "confirming":
      return takeNewsConfirming(state, row);
    case "queued":
      return state.awaits === "row" ? stay(state) : takeNewsUnsent(state, row);
    case "waiting":
      return isHeld(state) ? holdAgain(state, takeNews(state.held, row)) : takeNewsUnsent(state, row);
    default:
      return takeNewsUnsent(state, row);
  }
}

function takeNewsFailed(state: Extract<FileState, { name: "failed" }>, row: RowNews): FileStep {
  const way = withRow(state.way, row);
  const isNewer = row.version > state.way.rowVersion;
  if (meaningOf(row) === "verified") return done(way, row.photoId, false);
  if (meaningOf(row) === "in_store" && isNewer) return [{ name: "confirming", way }, []];
  return stay({ ...state, way });
}

function takeNewsConfirming(state: Extract<FileState, { name: "confirming" }>, row: RowNews): FileStep {
  const isNewer = row.version > state.way.rowVersion;
  if (meaningOf(row) !== "bytes_needed") return end(state, row);
  // The server waits for bytes again: it looks into the store and tells which.
  return isNewer ? offer(unsent(withRow(state.way, row), true)) : stay(state);
}

function takeNewsUnsent(state: FileState, row: RowNews): FileStep {
  if (meaningOf(row) === "bytes_needed") return stay({ ...state, way: withRow(state.way, row) });
  const [next, commands] = end(state, row);
  // Reopened at once, that the server lets no time run out; sent when the person resumes.
  const isKeptPaused = state.name === "paused" && next.name === "queued";
  return [isKeptPaused ? { ...state, way: next.way } : next, [WITHDRAW, ...commands]];
}

/** Where a row that takes no more bytes leads. */
function end(state: FileState, row: RowNews): FileStep {
  const way = withRow(state.way, row);
  switch (meaningOf(row)) {
    case "bytes_needed":
      return stay({ ...state, way });
    case "in_store":
      return [{ name: "confirming", way: { ...way, sentBytes: way.plan.fileBytes } }, []];
    case "verified":
      return done(way, row.photoId, false);
    case "failed":
      return fail(
        way,
        row.failure ?? failureHere("malformed_answer"),
        row.id === null ? "register" : "reopen",
      );
    case "cancelled":
      return [{ name: "removed", way }, []];
    case "expired":
      return state.name === "paused"
        ? stay({ ...state, way: { ...unsent(way, false), uploadId: null } })
        : register({ ...unsent(way, false), uploadId: null });
  }
}

function done(way: Way, photoId: string | null, isDuplicate: boolean): FileStep {
  return [{ name: "done", photoId, isDuplicate, way: { ...way, sentBytes: way.plan.fileBytes } }, []];
}

function fail(way: Way, failure: Failure, back: WayBack): FileStep {
  if (isGone(failure.code)) return leaveGallery(way, failure.code);
  if (failure.code === "duplicate") return done(way, failure.photoId, true);
  if (back === "reopen" && isResent(failure.code) && way.resendCount < MAX_RESENDS) {
    const again = { ...unsent(way, false), sentBytes: 0, resendCount: way.resendCount + 1 };
    return [{ name: "queued", awaits: "row", way: again }, [REOPEN]];
  }
  return [{ name: "failed", failure, back: isRegisteredAnew(failure.code) ? "register" : back, way }, []];
}

function takeRefusal(state: FileState, failure: Failure): FileStep {
  if (isGone(failure.code)) return isEnded(state) ? stay(state) : leaveGallery(state.way, failure.code);
  if (isHeld(state)) return holdAgain(state, takeRefusal(state.held, failure));
  switch (state.name) {
    case "queued":
      return state.awaits === "row" ? refuseRow(state.way, failure) : stay(state);
    case "signing":
    case "uploading":
    case "confirming":
      return refuseBytes(state.way, failure);
    default:
      return stay(state);
  }
}

/** Whatever the server had of it went with the gallery. */
function leaveGallery(way: Way, code: GoneCode): FileStep {
  return [{ name: "failed", failure: goneFailure(code), back: "register", way: fresh(way) }, [WITHDRAW]];
}

function refuseRow(way: Way, failure: Failure): FileStep {
  return fail(way, failure, way.uploadId === null ? "register" : "reopen");
}

function refuseBytes(way: Way, failure: Failure): FileStep {
  if (failure.retryable) return rest(way, failure);
  const [next, commands] = fail(way, failure, "send");
  return [next, [WITHDRAW, ...commands]];
}

/** Steps aside for others; later the server is asked what the store has, and the rest is sent. */
function rest(way: Way, failure: Failure): FileStep {
  const troubleCount = way.troubleCount + 1;
  const tired: Way = { ...way, isResumed: true, troubleCount };
  if (troubleCount > MAX_STORE_TROUBLES) {
    return [{ name: "failed", failure, back: "send", way: tired }, [WITHDRAW]];
  }
  return [
    { name: "queued", awaits: "pause", way: tired },
    [WITHDRAW, { type: "rest", attempt: way.troubleCount }],
  ];
}

// The slots.

type SlotEvent = EventOf<"started" | "signed" | "moved" | "part_stored" | "store_failed" | "pause_over">;

function onSlots(state: FileState, event: SlotEvent): FileStep {
  if (isHeld(state)) {
    const step = onSlots(state.held, event);
    // Where the store or the server is heard, the file is not cut off any more.
    const isHeard = event.type === "signed" || event.type === "moved" || event.type === "part_stored";
    return isHeard ? step : holdAgain(state, step);
  }
  switch (state.name) {
    case "queued":
      return onQueued(state, event);
    case "signing":
    case "uploading":
      return onMoving(state, event);
    default:
      return stay(state);
  }
}

function onQueued(state: Queued, event: SlotEvent): FileStep {
  if (event.type === "started" && state.awaits === "slot") return stay({ name: "signing", way: state.way });
  return event.type === "pause_over" && state.awaits === "pause" ? offer(state.way) : stay(state);
}

function onMoving(state: Signing | Uploading, event: SlotEvent): FileStep {
  switch (event.type) {
    case "signed":
      return storeParts(
        {
          ...state.way,
          plan: event.plan,
          storedParts: event.isAll === true ? new Set() : state.way.storedParts,
        },
        event.storedParts,
      );
    case "part_stored":
      return storeParts({ ...state.way, troubleCount: 0 }, [event.number]);
    case "moved":
      return stay({ ...state, way: { ...state.way, sentBytes: movedTo(state.way, event.bytes) } });
    case "store_failed":
      return rest(state.way, failureHere("storage_unavailable"));
    default:
      return stay(state);
  }
}

/** Bytes that left but were not acknowledged never make a file look whole. */
function movedTo(way: Way, bytes: number): number {
  return Math.max(way.sentBytes, Math.min(bytes, way.plan.fileBytes - 1));
}

function storeParts(way: Way, partNumbers: readonly number[]): FileStep {
  const storedParts = new Set(way.storedParts);
  for (const number of partNumbers) {
    if (number >= 1 && number <= way.plan.partCount) storedParts.add(number);
  }
  const sentBytes = Math.max(way.sentBytes, bytesOfParts(way.plan, storedParts));
  const next: Way = { ...way, storedParts, sentBytes };
  return storedParts.size === way.plan.partCount
    ? [{ name: "confirming", way: next }, [COMPLETE]]
    : [{ name: "uploading", way: next }, []];
}

// The connection.

function onConnection(state: FileState, event: EventOf<"away" | "back">): FileStep {
  if (event.type === "back") return isHeld(state) ? stay(state.held) : stay(state);
  if (isHeld(state)) return stay({ ...state, why: event.why });
  return isUnderway(state)
    ? stay({ name: "waiting", why: event.why, held: state, way: state.way })
    : stay(state);
}

type Held = Extract<FileState, { held: Underway }>;

function isUnderway(state: FileState): state is Underway {
  return state.name === "queued" || state.name === "signing" || state.name === "uploading";
}

function isHeld(state: FileState): state is Held {
  return state.name === "waiting" && state.why !== "file_needed";
}

function holdAgain(before: Held, [next, commands]: FileStep): FileStep {
  return [isUnderway(next) ? { ...before, held: next, way: next.way } : next, commands];
}

// The person.

function onPerson(
  state: FileState,
  event: EventOf<"pause" | "resume" | "remove" | "retry" | "keep_both">,
): FileStep {
  switch (event.type) {
    case "pause":
      return pause(state);
    case "resume":
      return state.name === "paused" ? resume(state) : stay(state);
    case "remove":
      return remove(state);
    case "retry":
      return retry(state);
    case "keep_both":
      return state.name === "done" && state.isDuplicate
        ? register({ ...fresh(state.way), allowsDuplicate: true })
        : stay(state);
  }
}

function pause(state: FileState): FileStep {
  if (state.name === "inspecting") return stay({ name: "paused", isInspected: false, way: state.way });
  if (!isUnderway(state) && !isHeld(state)) return stay(state);
  const underway = isHeld(state) ? state.held : state;
  // What was never handed to the slots has nothing in the store to ask for: thousands of files may be paused at once.
  const isResumed = state.way.isResumed || underway.name !== "queued";
  return [{ name: "paused", isInspected: true, way: { ...state.way, isResumed } }, [WITHDRAW]];
}

function resume(state: Extract<FileState, { name: "paused" }>): FileStep {
  if (!state.isInspected) return [{ name: "inspecting", way: state.way }, [INSPECT]];
  return state.way.uploadId === null ? register(state.way) : offer(state.way);
}

function remove(state: FileState): FileStep {
  if (state.name === "done" || state.name === "removed") return stay(state);
  const commands = state.way.uploadId === null ? [WITHDRAW] : [WITHDRAW, CANCEL];
  return [{ name: "removed", way: state.way }, commands];
}

function retry(state: FileState): FileStep {
  if (state.name === "waiting" && state.why === "file_needed") {
    return [{ name: "inspecting", way: state.way }, [INSPECT]];
  }
  if (state.name !== "failed" || !state.failure.retryable) return stay(state);
  const way: Way = { ...state.way, resendCount: 0, troubleCount: 0 };
  switch (state.back) {
    case "send":
      return offer({ ...way, isResumed: true });
    case "reopen":
      return [{ name: "queued", awaits: "row", way: { ...unsent(way, false), sentBytes: 0 } }, [REOPEN]];
    case "register":
      return register(fresh(way));
  }
}
