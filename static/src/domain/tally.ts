// Pure: what a gallery's files come to. I12: chosen = done + failed + waiting + removed + what is still on its way.
import type { FileState } from "./file-machine.ts";

export type StateWord = FileState["name"];
export type WordCounts = Readonly<Record<StateWord, number>>;

export type Counted = { readonly name: string; readonly state: FileState };

export type Problem = {
  readonly code: string;
  readonly count: number;
  readonly retryable: boolean;
  /** The first of them; a list of five thousand names helps nobody. */
  readonly names: readonly string[];
};

export type Tally = {
  readonly files: WordCounts;
  readonly chosenCount: number;
  readonly doneCount: number;
  readonly failedCount: number;
  readonly removedCount: number;
  /** Of those done: what the gallery had already. */
  readonly duplicateCount: number;
  /** Files that can still end well, or did. */
  readonly bytesTotal: number;
  readonly bytesSent: number;
  readonly percent: number;
  readonly problems: readonly Problem[];
};

const MAX_PROBLEM_NAMES = 100;

/** None in any state. */
export function noFiles(): Record<StateWord, number> {
  return {
    inspecting: 0,
    invalid: 0,
    queued: 0,
    signing: 0,
    uploading: 0,
    confirming: 0,
    done: 0,
    waiting: 0,
    paused: 0,
    failed: 0,
    removed: 0,
  };
}

/** A file that counts towards the hundred percent. */
function isCounted(state: FileState): boolean {
  return state.name !== "failed" && state.name !== "invalid" && state.name !== "removed";
}

export function tallyOf(files: Iterable<Counted>): Tally {
  const counts = noFiles();
  const problems = new Map<string, { retryable: boolean; names: string[]; count: number }>();
  let bytesTotal = 0;
  let bytesSent = 0;
  let duplicateCount = 0;
  for (const { name, state } of files) {
    counts[state.name] += 1;
    if (state.name === "done" && (state.isDuplicate || state.wasHere === true)) duplicateCount += 1;
    if (isCounted(state)) {
      bytesTotal += state.way.plan.fileBytes;
      bytesSent += state.way.sentBytes;
    }
    for (const { code, retryable } of troublesOf(state)) addProblem(problems, code, retryable, name);
  }
  return {
    ...totalsOf(counts, bytesTotal, bytesSent),
    duplicateCount,
    problems: Array.from(problems, ([code, problem]) => ({ code, ...problem })),
  };
}

function totalsOf(
  files: WordCounts,
  bytesTotal: number,
  bytesSent: number,
): Omit<Tally, "problems" | "duplicateCount"> {
  const chosenCount = Object.values(files).reduce((sum, count) => sum + count, 0);
  const failedCount = files.failed + files.invalid;
  const countedCount = chosenCount - failedCount - files.removed;
  const isWhole = countedCount > 0 && files.done === countedCount;
  return {
    files,
    chosenCount,
    doneCount: files.done,
    failedCount,
    removedCount: files.removed,
    bytesTotal,
    bytesSent,
    percent: percentOf(bytesSent, bytesTotal, isWhole),
  };
}

/** A hundred only when every file is confirmed, not when the last byte has left. */
export function percentOf(bytesSent: number, bytesTotal: number, isWhole: boolean): number {
  if (isWhole) return 100;
  return bytesTotal === 0 ? 0 : Math.min(99, Math.floor((bytesSent / bytesTotal) * 100));
}

export function troublesOf(
  state: FileState,
): readonly { readonly code: string; readonly retryable: boolean }[] {
  if (state.name === "failed") return [state.failure];
  if (state.name === "invalid") return state.reasons.map((code) => ({ code, retryable: false }));
  if (state.name === "waiting" && state.why === "file_needed")
    return [{ code: "file_needed", retryable: true }];
  return [];
}

function addProblem(
  problems: Map<string, { retryable: boolean; names: string[]; count: number }>,
  code: string,
  retryable: boolean,
  name: string,
): void {
  const problem = problems.get(code) ?? { retryable, names: [], count: 0 };
  problem.count += 1;
  if (problem.names.length < MAX_PROBLEM_NAMES) problem.names.push(name);
  problems.set(code, problem);
}
