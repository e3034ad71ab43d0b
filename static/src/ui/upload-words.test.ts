import { describe, expect, test } from "vitest";
import type { GalleryTally, RowView } from "../engine/port.ts";
import { figuresOf, outcomeOf, promiseOf, shareSent, stateWords } from "./upload-words.ts";

const NO_FILES = {
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

describe("the line of the dock", () => {
  test("tells count, size, speed and time", () => {
    const tally = tallyOf({ uploading: 6, queued: 166, done: 1_032 });

    expect(figuresOf(tally).join(" · ")).toBe(
      "1,032 of 1,204 · 4.1\u00a0GB of 5.0\u00a0GB · 12\u00a0MB/s · about 1 min",
    );
  });

  test("tells no speed while nothing moves", () => {
    expect(figuresOf({ ...tallyOf({ paused: 3, done: 1 }), paused: true })).toHaveLength(2);
    expect(figuresOf({ ...tallyOf({ waiting: 3, done: 1 }), waitingFor: "connection" })).toHaveLength(2);
  });

  test("tells the end in one sentence", () => {
    expect(figuresOf(tallyOf({ done: 1_204 }))).toEqual(["1,204 photos safe."]);
    expect(outcomeOf(tallyOf({ done: 10, failed: 2 }))).toBe("10 of 12 photos safe.");
    expect(outcomeOf(tallyOf({ invalid: 2 }))).toBe("None of 2 photos could be added.");
    expect(outcomeOf(tallyOf({ removed: 2 }))).toBe("Nothing to upload.");
  });

  test.each([
    [119, 1, 1, 0, "118 photos safe. 1 was already in the gallery. 1 file is not a photo."],
    [2, 2, 0, 0, "2 photos were already in the gallery."],
    [1, 1, 0, 0, "1 photo was already in the gallery."],
    [0, 0, 3, 0, "3 files are not photos."],
    [10, 0, 1, 2, "10 of 12 photos safe. 1 file is not a photo."],
    [1, 0, 1, 0, "1 photo safe. 1 file is not a photo."],
  ])(
    "counts %d done, %d of them known, %d no photos and %d failed apart",
    (done, known, strays, failed, words) => {
      const problems = [{ code: "not_an_image", count: strays, retryable: false, names: [] }];

      const tally = { ...tallyOf({ done, failed, invalid: strays }), duplicateCount: known, problems };

      expect(outcomeOf(tally)).toBe(words);
    },
  );
});

describe("the promise beside it", () => {
  test("asks to keep the tab open while bytes are unsent, and no longer", () => {
    expect(promiseOf(tallyOf({ queued: 172 })).text).toBe("Keep this tab open: 172 photos are not sent yet.");
    expect(promiseOf(tallyOf({ uploading: 1 })).text).toBe("Keep this tab open: 1 photo is not sent yet.");
    expect(promiseOf(tallyOf({ confirming: 2 })).text).toContain("Closing this tab is safe");
    expect(promiseOf(tallyOf({ done: 2 })).text).toBe("Closing this tab is safe.");
  });

  test("says what is waited for", () => {
    expect(promiseOf({ ...tallyOf({ waiting: 2 }), waitingFor: "connection" }).text).toContain(
      "No connection",
    );
    expect(promiseOf({ ...tallyOf({ waiting: 2 }), waitingFor: "sign_in" }).text).toContain(
      "Please sign in again",
    );
  });
});

describe("the words of a row", () => {
  test("say how far it is and why it is not done", () => {
    expect(stateWords(rowOf({ state: "uploading", sentBytes: 1_200_000 }))).toBe(
      "1.2\u00a0MB of 4.0\u00a0MB",
    );
    expect(stateWords(rowOf({ state: "invalid", reasons: ["too_many_pixels", "too_long_side"] }))).toContain(
      "30,000",
    );
    expect(stateWords(rowOf({ state: "done", reasons: ["duplicate"] }))).toContain("already");
  });

  test("never show a full ring before every byte is there", () => {
    expect(shareSent(rowOf({ state: "uploading", sentBytes: 3_999_999 }))).toBeLessThan(1);
    expect(shareSent(rowOf({ state: "queued", sizeBytes: 0 }))).toBe(0);
    expect(shareSent(rowOf({ state: "done" }))).toBe(1);
  });
});

function tallyOf(files: Partial<GalleryTally["files"]>): GalleryTally {
  const counts = { ...NO_FILES, ...files };
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
  };
}

function rowOf(row: Partial<RowView>): RowView {
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
    ...row,
  };
}
