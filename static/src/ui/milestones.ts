// Pure: what a screen reader is told of an upload: that it begins, each quarter, a stop, going on, the end.

import type { GalleryTally } from "../engine/port.ts";
import { photosOf } from "./quantities.ts";
import { sentenceOf } from "./sentences.ts";
import { openCount, outcomeOf } from "./upload-words.ts";

/** What was so when somebody was last told. */
export type Told = Readonly<{
  isOpen: boolean;
  /** The last quarter said: 0 to 3. */
  quarter: number;
  waitingFor: GalleryTally["waitingFor"];
}>;

export const NOTHING_TOLD: Told = { isOpen: false, quarter: 0, waitingFor: null };

/** The sentence is empty where nothing of note has happened. */
export function nextMilestone(told: Told, total: GalleryTally): { told: Told; sentence: string } {
  const isOpen = openCount(total) > 0;
  const quarter = Math.min(3, Math.floor(total.percent / 25));
  const begins = isOpen && !told.isOpen;
  const next: Told = {
    isOpen,
    quarter: begins ? quarter : Math.max(told.quarter, quarter),
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
  if (!told.isOpen) {
    return `Uploading ${photosOf(total.chosenCount - total.removedCount)}.`;
  }
  return next.quarter > told.quarter ? `${next.quarter * 25} percent uploaded.` : "";
}

const waitCodes = { connection: "offline", sign_in: "sign_in_required" } as const;
