// Uploads that never were, for tests and for the page that shows every state.

import { noFiles } from "../domain/tally.ts";
import type { GalleryTally, RowView } from "../engine/port.ts";

/** A gallery with so many files in these states, and whatever else is said of it. */
export function tallyWith(
  files: Partial<GalleryTally["files"]>,
  more: Partial<GalleryTally> = {},
): GalleryTally {
  const counts = { ...noFiles(), ...files };
  return {
    galleryId: "g",
    title: "Island",
    phase: "publishing",
    outcome: null,
    percent: 0,
    files: counts,
    chosenCount: Object.values(counts).reduce((sum, count) => sum + count, 0),
    doneCount: counts.done,
    failedCount: counts.failed + counts.invalid,
    removedCount: counts.removed,
    duplicateCount: 0,
    bytesTotal: 5_000_000_000,
    bytesSent: 4_100_000_000,
    bytesPerS: 12_400_000,
    secondsLeft: 72,
    problems: [],
    paused: false,
    kept: { bytes: 0, handle: 0, none: 0 },
    askableCount: 0,
    changedNames: [],
    waitingFor: null,
    ...more,
  };
}

export function rowWith(more: Partial<RowView>): RowView {
  return {
    fileId: "f",
    galleryId: "g",
    name: "IMG_1.jpg",
    relativePath: "IMG_1.jpg",
    sizeBytes: 4_000_000,
    state: "queued",
    sentBytes: 0,
    reasons: [],
    retryable: false,
    photoId: null,
    kept: "none",
    file: null,
    ...more,
  };
}
