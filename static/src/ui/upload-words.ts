// Pure: an upload's numbers and states -> the words of the dock and its rows.

import { isGone } from "../domain/failure.ts";
import type { GalleryTally, KeptCounts, RowView, UploadStateWord } from "../engine/port.ts";
import type { IconName } from "./icons.ts";
import { filesOf, formatBytes, formatCount, formatSpeed, formatTimeLeft, photosOf } from "./quantities.ts";
import { sentenceOf } from "./sentences.ts";
import { shortenInTheMiddle } from "./short-name.ts";

export type TabPromise = Readonly<{ text: string; tone: "quiet" | "waiting" | "failed" }>;

const ON_THE_WAY: readonly UploadStateWord[] = [
  "inspecting",
  "queued",
  "signing",
  "uploading",
  "waiting",
  "paused",
];

const FILE_NEEDED = "file_needed";
const NAMES_IN_A_LINE = 3;
const NAME_CHARS = 24;

const NOT_PHOTOS: ReadonlySet<string> = new Set(["not_an_image", "unsupported_type"]);

/** Files whose bytes are not all in the store: closing the tab would stop them. */
export function unsentCount(tally: GalleryTally): number {
  return ON_THE_WAY.reduce((sum, state) => sum + tally.files[state], 0);
}

/** Files that have not ended: on their way, or sent and waiting to be confirmed. */
export function openCount(tally: GalleryTally): number {
  return unsentCount(tally) + tally.files.confirming;
}

/** Bytes are on their way, or will be in a moment. */
export function isSending(tally: GalleryTally): boolean {
  const { waiting, paused } = tally.files;
  return tally.waitingFor === null && unsentCount(tally) > waiting + paused;
}

/** "1,032 of 1,204", "4.1 GB of 5.0 GB", "12 MB/s", "about 3 min": only what is known. */
export function figuresOf(tally: GalleryTally): readonly string[] {
  if (openCount(tally) === 0) {
    return [outcomeOf(tally)];
  }
  const wanted = tally.chosenCount - tally.failedCount - tally.removedCount;
  const figures = [
    `${formatCount(tally.doneCount)} of ${formatCount(Math.max(wanted, tally.doneCount))}`,
    `${formatBytes(tally.bytesSent)} of ${formatBytes(tally.bytesTotal)}`,
  ];
  const isMoving = !tally.paused && tally.waitingFor === null && unsentCount(tally) > 0;
  if (isMoving && tally.bytesPerS !== null && tally.bytesPerS > 0) {
    figures.push(formatSpeed(tally.bytesPerS));
  }
  if (isMoving && tally.secondsLeft !== null) {
    figures.push(formatTimeLeft(tally.secondsLeft));
  }
  return figures;
}

/** Files of which nothing is here any more: a person has to choose them again. */
export function neededCount(tally: GalleryTally): number {
  const waiting = tally.problems.find((problem) => problem.code === FILE_NEEDED)?.count ?? 0;
  return Math.max(0, waiting - tally.askableCount);
}

/** Files that would be lost from here if the tab were closed now. */
export function unkeptCount(tally: GalleryTally): number {
  return Math.max(0, tally.kept.none - neededCount(tally));
}

export function promiseOf(tally: GalleryTally): TabPromise {
  if (tally.waitingFor === "sign_in") {
    return { text: sentenceOf("sign_in_required"), tone: "waiting" };
  }
  if (tally.waitingFor === "connection") {
    return { text: promiseWhileOffline(tally), tone: "waiting" };
  }
  if (unsentCount(tally) > 0) {
    return promiseWhileSending(tally);
  }
  if (tally.files.confirming > 0) {
    return {
      text: `Confirming ${photosOf(tally.files.confirming)}. Closing this tab is safe.`,
      tone: "quiet",
    };
  }
  if (tally.files.failed > 0 && leftCountOf(tally) === tally.failedCount) {
    return { text: leftWords(tally), tone: "failed" };
  }
  return tally.failedCount > 0
    ? { text: `${filesOf(tally.failedCount)} not added: the list says why.`, tone: "failed" }
    : { text: "Closing this tab is safe.", tone: "quiet" };
}

/** Files that were never sent, since their gallery is gone. */
function leftCountOf(tally: GalleryTally): number {
  return tally.problems.filter(({ code }) => isGone(code)).reduce((sum, problem) => sum + problem.count, 0);
}

function leftWords(tally: GalleryTally): string {
  const count = leftCountOf(tally);
  // Several galleries have no title in common. The marks keep a title in its own direction.
  const gallery = tally.title === "" ? "Their gallery" : `\u2068${tally.title}\u2069`;
  const isDeleted = tally.problems.some(({ code }) => code === "gallery_deleted");
  return `${gallery} ${isDeleted ? "was deleted" : "is gone"}: ${photosOf(count)} ${count === 1 ? "was" : "were"} never sent.`;
}

/** Of a tab that only shows what another one does. */
export function promiseOfMirror(tally: GalleryTally): TabPromise {
  if (tally.waitingFor !== null || unsentCount(tally) === 0) {
    return promiseOf(tally);
  }
  return tally.paused
    ? { text: "Paused. Closing this tab is safe.", tone: "waiting" }
    : { text: "Uploading in another tab. Closing this one is safe.", tone: "quiet" };
}

function promiseWhileOffline(tally: GalleryTally): string {
  return unkeptCount(tally) === 0
    ? "No connection. Your photos are kept here; uploading goes on by itself."
    : `No connection; uploading goes on by itself. ${keepOpen(tally)}`;
}

function promiseWhileSending(tally: GalleryTally): TabPromise {
  if (tally.paused) {
    return {
      text: `Paused. ${unkeptCount(tally) === 0 ? "Closing this tab is safe." : keepOpen(tally)}`,
      tone: "waiting",
    };
  }
  if (unkeptCount(tally) > 0) {
    return { text: keepOpen(tally), tone: "quiet" };
  }
  const stopped = neededCount(tally) + tally.askableCount;
  return stopped >= unsentCount(tally)
    ? { text: stopWords(tally), tone: "waiting" }
    : { text: safeToClose(tally), tone: "quiet" };
}

function keepOpen(tally: GalleryTally): string {
  const count = unkeptCount(tally);
  return `Keep this tab open: ${photosOf(count)} ${count === 1 ? "is" : "are"} not kept yet.`;
}

function safeToClose({ kept }: GalleryTally): string {
  return kept.handle === 0
    ? "Closing this tab is safe: uploading goes on when you come back."
    : `Closing this tab is safe: when you come back, ${photosOf(kept.handle)} ${kept.handle === 1 ? "needs" : "need"} one click.`;
}

function stopWords(tally: GalleryTally): string {
  const { askableCount } = tally;
  return askableCount === 0
    ? `${photosOf(neededCount(tally))} to be chosen again: the list says which.`
    : `${photosOf(askableCount)} ${askableCount === 1 ? "waits" : "wait"} until you let this page read the folder again.`;
}

/** "1,032 go on by themselves · 150 need one click · 22 would have to be chosen again": what isn't there isn't said. */
export function keptWords({ bytes, handle, none }: KeptCounts): string {
  const kinds: readonly (readonly [number, string, string])[] = [
    [bytes, "goes on by itself", "go on by themselves"],
    [handle, "needs one click", "need one click"],
    [none, "would have to be chosen again", "would have to be chosen again"],
  ];
  return kinds
    .filter(([count]) => count > 0)
    .map(([count, one, many]) => `${formatCount(count)} ${count === 1 ? one : many}`)
    .join(" · ");
}

/** One line about files that are not what they were; empty where there is none. */
export function changedWords(paths: readonly string[]): string {
  const names = paths.slice(0, NAMES_IN_A_LINE).map((path) => shortenInTheMiddle(lastOf(path), NAME_CHARS));
  const list = names.join(", ") + (paths.length > names.length ? " …" : "");
  switch (paths.length) {
    case 0:
      return "";
    case 1:
      return `1 photo has changed since you chose it; it goes up as a new photo: ${list}`;
    default:
      return `${photosOf(paths.length)} have changed since you chose them; they go up as new photos: ${list}`;
  }
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** What is no photo is never counted among the photos, and what was there before not among those made safe. */
export function outcomeOf(tally: GalleryTally): string {
  const strayCount = Math.min(tally.failedCount, strayCountOf(tally));
  const sentences = [
    safeWords(tally.doneCount - tally.duplicateCount, tally.failedCount - strayCount),
    duplicateWords(tally),
    strayCount === 0
      ? ""
      : `${filesOf(strayCount)} ${strayCount === 1 ? "is not a photo" : "are not photos"}.`,
  ].filter((sentence) => sentence !== "");
  return sentences.length === 0 ? "Nothing to upload." : sentences.join(" ");
}

/** "1,204 of 1,204 verified": what the receipt lists, without what is no photo. */
export function verifiedWords(tally: GalleryTally): string {
  const listed = tally.chosenCount - tally.removedCount - Math.min(tally.failedCount, strayCountOf(tally));
  return `${formatCount(tally.doneCount)} of ${formatCount(listed)} verified`;
}

function strayCountOf(tally: GalleryTally): number {
  return tally.problems
    .filter((problem) => NOT_PHOTOS.has(problem.code))
    .reduce((sum, problem) => sum + problem.count, 0);
}

function safeWords(safeCount: number, failedCount: number): string {
  if (failedCount > 0) {
    return safeCount === 0
      ? `None of ${photosOf(failedCount)} could be added.`
      : `${formatCount(safeCount)} of ${photosOf(safeCount + failedCount)} safe.`;
  }
  return safeCount === 0 ? "" : `${photosOf(safeCount)} safe.`;
}

function duplicateWords({ duplicateCount, doneCount }: GalleryTally): string {
  if (duplicateCount === 0) {
    return "";
  }
  const what = doneCount === duplicateCount ? photosOf(duplicateCount) : formatCount(duplicateCount);
  return `${what} ${duplicateCount === 1 ? "was" : "were"} already in the gallery.`;
}

/** A RAW and its JPEG are two files in one row: whoever counts, counts files. */
export function fileCountOf(row: RowView): number {
  return row.parts?.length ?? 1;
}

export function fileStatesOf({ parts, state }: RowView): readonly UploadStateWord[] {
  return parts?.map((part) => part.state) ?? [state];
}

/** Empty where each file has a row of its own. */
export function shotWords(fileCount: number, rowCount: number): string {
  return fileCount === rowCount
    ? ""
    : `${filesOf(fileCount)} in ${formatCount(rowCount)} ${rowCount === 1 ? "row" : "rows"}: RAW and JPEG of a shot stand together.`;
}

export const STATE_ICONS: Readonly<Record<UploadStateWord, IconName | "ring">> = {
  inspecting: "clock",
  invalid: "warning",
  queued: "clock",
  signing: "ring",
  uploading: "ring",
  confirming: "confirming",
  done: "check",
  waiting: "clock",
  paused: "pause",
  failed: "warning",
  removed: "close",
};

export function stateWords(row: RowView): string {
  switch (row.state) {
    case "inspecting":
      return "Looking at it";
    case "queued":
      return "Its turn comes";
    case "signing":
      return "Starting";
    case "uploading":
      return `${formatBytes(row.sentBytes)} of ${formatBytes(row.sizeBytes)}`;
    case "confirming":
      return "Confirming";
    case "done":
      return row.reasons.includes("duplicate") ? sentenceOf("duplicate") : "Safe";
    case "waiting":
      return sentenceOf(row.reasons[0] ?? "offline");
    case "paused":
      return "Paused";
    case "removed":
      return "Removed";
    case "failed":
    case "invalid":
      return `${partsMeant(row)}${row.reasons.length === 0 ? sentenceOf("") : row.reasons.map(sentenceOf).join(" ")}`;
    default:
      return row.state satisfies never;
  }
}

/** Which of a shot's files is spoken of, where it is not all of them: the others may be safe. */
function partsMeant({ parts = [], state }: RowView): string {
  const meant = parts.filter((part) => part.state === state);
  return meant.length === parts.length ? "" : `${meant.map(({ name }) => name).join(", ")}: `;
}

export function shareSent(row: RowView): number {
  if (row.state === "done" || row.state === "confirming") {
    return 1;
  }
  return row.sizeBytes > 0 ? Math.min(1, row.sentBytes / row.sizeBytes) : 0;
}
