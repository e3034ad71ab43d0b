// Pure: how fast a gallery's bytes are stored and its photos confirmed, and how long the rest will take.
import { SECOND_MS } from "../kernel/units.ts";

/** What there is to see at one moment. */
export type Look = {
  readonly atMs: number;
  /** False while nothing can move: paused, offline, nothing left. Such time does not count. */
  readonly isRunning: boolean;
  /** Handed to the network since the engine began; never goes back. */
  readonly movedBytes: number;
  readonly bytesLeft: number;
  readonly doneFiles: number;
  readonly filesLeft: number;
  /** In the store and not yet verified. */
  readonly confirmingFiles: number;
};

/** Something had moved by then. `runMs`: of the time that counts. */
type Mark = { readonly runMs: number; readonly amount: number };

export type Speed = {
  readonly atMs: number;
  readonly runMs: number;
  readonly byteMarks: readonly Mark[];
  readonly fileMarks: readonly Mark[];
  /** Null until there is something to tell. */
  readonly bytesPerS: number | null;
  readonly secondsLeft: number | null;
};

/** What is told of the speed follows a new network soon; what is told of the end does not jump with every part. */
const SPEED_WINDOW_MS = 10 * SECOND_MS;
const END_WINDOW_MS = 30 * SECOND_MS;
/** Less than this is no rate but a beginning. */
const KNOWN_SPAN_MS = 3 * SECOND_MS;
const KNOWN_MARKS = 4;
const SHORTEST_SPAN_MS = 500;
/** A new estimate is believed so slowly: what is told meanwhile runs down as a clock does. */
const BELIEF_MS = 8 * SECOND_MS;
/** So many photos that wait for the server are a queue, fewer only the last ones sent. */
const QUEUE_FILES = 10;

export function standingStill(atMs: number): Speed {
  return { atMs, runMs: 0, byteMarks: [], fileMarks: [], bytesPerS: null, secondsLeft: null };
}

export function nextSpeed(speed: Speed, look: Look): Speed {
  const spanMs = look.atMs - speed.atMs;
  if (spanMs < SHORTEST_SPAN_MS) return speed;
  if (!look.isRunning) return { ...speed, atMs: look.atMs };
  const runMs = speed.runMs + spanMs;
  const byteMarks = marked(speed.byteMarks, { runMs, amount: look.movedBytes });
  const fileMarks = marked(speed.fileMarks, { runMs, amount: look.doneFiles });
  const estimate = estimateOf(look, { runMs, byteMarks, fileMarks });
  return {
    atMs: look.atMs,
    runMs,
    byteMarks,
    fileMarks,
    bytesPerS:
      (rateOf(byteMarks, runMs, SPEED_WINDOW_MS) ?? rateOf(byteMarks, runMs, END_WINDOW_MS))?.perS ?? null,
    secondsLeft: believed(speed.secondsLeft, estimate, spanMs),
  };
}

/** Marks of what has moved. The first is where moving began: the time before it says nothing of the rate. */
function marked(marks: readonly Mark[], now: Mark): readonly Mark[] {
  const last = marks.at(-1);
  if (last === undefined || (marks.length === 1 && last.amount === now.amount)) return [now];
  // Files can be counted back (chosen anew): the rate goes on from there.
  if (now.amount < last.amount) return shifted(marks, now.amount - last.amount);
  if (now.amount === last.amount) return marks;
  return [...marks.filter(({ runMs }) => runMs >= now.runMs - END_WINDOW_MS), now];
}

function shifted(marks: readonly Mark[], change: number): readonly Mark[] {
  return marks.map(({ runMs, amount }) => ({ runMs, amount: amount + change }));
}

type Rate = {
  readonly perS: number /** Time since something moved, of which nothing is known. */;
  readonly sinceMs: number;
};

/** From mark to mark: parts of the same size that end together come in bursts. Null until it is known, or stands. */
function rateOf(marks: readonly Mark[], runMs: number, windowMs: number): Rate | null {
  const within = marks.filter((mark) => mark.runMs >= runMs - windowMs);
  const [first] = within;
  const last = within.at(-1);
  if (first === undefined || last === undefined || within.length < KNOWN_MARKS) return null;
  const sinceMs = runMs - last.runMs;
  // Longer without a mark than ever between two: it stands, and that counts.
  const isLate = sinceMs > longestGapMs(within);
  const spanMs = (isLate ? runMs : last.runMs) - first.runMs;
  if (spanMs < KNOWN_SPAN_MS) return null;
  return { perS: ((last.amount - first.amount) / spanMs) * SECOND_MS, sinceMs: isLate ? 0 : sinceMs };
}

function longestGapMs(marks: readonly Mark[]): number {
  return Math.max(...marks.slice(1).map(({ runMs }, index) => runMs - (marks[index]?.runMs ?? runMs)));
}

function estimateOf(
  look: Look,
  { runMs, byteMarks, fileMarks }: Pick<Speed, "runMs" | "byteMarks" | "fileMarks">,
) {
  const bytesS =
    look.bytesLeft <= 0 ? 0 : secondsFor(look.bytesLeft, rateOf(byteMarks, runMs, END_WINDOW_MS));
  const isQueue = look.bytesLeft <= 0 || look.confirmingFiles >= QUEUE_FILES;
  const filesS = isQueue ? secondsFor(look.filesLeft, rateOf(fileMarks, runMs, END_WINDOW_MS)) : 0;
  // While bytes are left, their end is known even if that of the queue is not.
  if (bytesS === null || (filesS === null && look.bytesLeft <= 0)) return null;
  return Math.max(bytesS, filesS ?? 0);
}

function secondsFor(amount: number, rate: Rate | null): number | null {
  return rate === null ? null : Math.max(0, amount / rate.perS - rate.sinceMs / SECOND_MS);
}

function believed(before: number | null, estimate: number | null, spanMs: number): number | null {
  if (before === null || estimate === null) return estimate;
  const expected = Math.max(0, before - spanMs / SECOND_MS);
  return expected + (estimate - expected) * (1 - Math.exp(-spanMs / BELIEF_MS));
}
