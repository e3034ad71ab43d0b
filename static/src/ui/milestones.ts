// Pure: what a screen reader is told of an upload: that it begins, each quarter, a stop, going on, the end.

import type { GalleryTally } from "../engine/port.ts";
import { photosOf } from "./quantities.ts";
import { sentenceOf } from "./sentences.ts";
import { openCount, outcomeOf } from "./upload-words.ts";

/** Files come in groups: so long none is added, and all that were chosen are known. */
export const CHOSEN_WITHIN_MS = 1_000;

/** What was so when somebody was last told. */
export type Told = Readonly<{
  isOpen: boolean;
  /** The beginning is said once it is known of how many files. */
  isBeginningSaid: boolean;
  /** So many were chosen, since that moment. */
  chosenCount: number;
  sinceMs: number;
  /** The last quarter said: 0 to 3. */
  quarter: number;
  waitingFor: GalleryTally["waitingFor"];
}>;

export const NOTHING_TOLD: Told = {
  isOpen: false,
  isBeginningSaid: false,
  chosenCount: 0,
  sinceMs: 0,
  quarter: 0,
  waitingFor: null,
};

/** The sentence is empty where nothing of note has happened. Asked again at the latest after CHOSEN_WITHIN_MS. */
export function nextMilestone(
  told: Told,
  total: GalleryTally,
  nowMs: number,
): { told: Told; sentence: string } {
  const isOpen = openCount(total) > 0;
  const quarter = Math.min(3, Math.floor(total.percent / 25));
  const isStill = told.isOpen && total.chosenCount === told.chosenCount;
  const sinceMs = isStill ? told.sinceMs : nowMs;
  const next: Told = {
    isOpen,
    isBeginningSaid: isOpen && (told.isBeginningSaid || nowMs - sinceMs >= CHOSEN_WITHIN_MS),
    chosenCount: total.chosenCount,
    sinceMs,
    // Of what is still being chosen a share says nothing.
    quarter: told.isBeginningSaid ? Math.max(told.quarter, quarter) : quarter,
    waitingFor: isOpen ? total.waitingFor : null,
  };
  return { told: next, sentence: sentenceBetween(told, next, total) };
}

function sentenceBetween(told: Told, next: Told, total: GalleryTally): string {
  if (!next.isOpen) {
    return told.isOpen ? outcomeOf(total) : "";
  }
  if (next.waitingFor !== told.waitingFor) {
    return next.waitingFor === null ? "Uploading goes on." : sentenceOf(waitCodes[next.waitingFor]);
  }
  if (!next.isBeginningSaid) {
    return "";
  }
  if (!told.isBeginningSaid) {
    return `Uploading ${photosOf(total.chosenCount - total.removedCount)}.`;
  }
  return next.quarter > told.quarter ? `${next.quarter * 25} percent uploaded.` : "";
}

const waitCodes = { connection: "offline", sign_in: "sign_in_required" } as const;
