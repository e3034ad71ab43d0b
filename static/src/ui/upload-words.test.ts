import { describe, expect, test } from "vitest";
import type { GalleryTally } from "../engine/port.ts";
import { rowWith, tallyWith } from "./sample-uploads.ts";
import {
  changedWords,
  figuresOf,
  fileCountOf,
  keptWords,
  neededCount,
  outcomeOf,
  promiseOf,
  promiseOfMirror,
  shareSent,
  shotWords,
  stateWords,
  unkeptCount,
} from "./upload-words.ts";

describe("a shot of several files", () => {
  const parts = [
    { fileId: "a", name: "IMG_1.JPG", state: "done" },
    { fileId: "b", name: "IMG_1.xmp", state: "invalid" },
  ] as const;

  test("is as many as it has files", () => {
    expect([fileCountOf(rowWith({})), fileCountOf(rowWith({ parts }))]).toEqual([1, 2]);
    expect(shotWords(3, 3)).toBe("");
    expect(shotWords(1_204, 602)).toBe("1,204 files in 602 rows: RAW and JPEG of a shot stand together.");
  });

  test("says which of them was left out, where the others were not", () => {
    const row = rowWith({ state: "invalid", reasons: ["not_an_image"] });

    expect(stateWords({ ...row, parts })).toBe("IMG_1.xmp: This is not a photo, so it was left out.");
    expect(stateWords(row)).toBe("This is not a photo, so it was left out.");
  });
});

describe("the line of the dock", () => {
  test("tells count, size, speed and time", () => {
    const tally = tallyWith({ uploading: 6, queued: 166, done: 1_032 });

    expect(figuresOf(tally).join(" · ")).toBe(
      "1,032 of 1,204 · 4.1\u00a0GB of 5.0\u00a0GB · 12\u00a0MB/s · about 1 min",
    );
  });

  test("tells no speed while nothing moves", () => {
    expect(figuresOf({ ...tallyWith({ paused: 3, done: 1 }), paused: true })).toHaveLength(2);
    expect(figuresOf({ ...tallyWith({ waiting: 3, done: 1 }), waitingFor: "connection" })).toHaveLength(2);
  });

  test("tells that a gallery was deleted, and what of it was never sent", () => {
    const problems = [{ code: "gallery_deleted", count: 3, retryable: true, names: [] }];
    const left = tallyWith({ failed: 3 }, { problems, title: "Island" });

    expect(promiseOf(left).text).toBe("\u2068Island\u2069 was deleted: 3 photos were never sent.");
    expect(promiseOf({ ...left, title: "" }).text).toContain("Their gallery was deleted");
  });

  test("tells the end in one sentence", () => {
    expect(figuresOf(tallyWith({ done: 1_204 }))).toEqual(["1,204 photos safe."]);
    expect(outcomeOf(tallyWith({ done: 10, failed: 2 }))).toBe("10 of 12 photos safe.");
    expect(outcomeOf(tallyWith({ invalid: 2 }))).toBe("None of 2 photos could be added.");
    expect(outcomeOf(tallyWith({ removed: 2 }))).toBe("Nothing to upload.");
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

      const tally = { ...tallyWith({ done, failed, invalid: strays }), duplicateCount: known, problems };

      expect(outcomeOf(tally)).toBe(words);
    },
  );
});

describe("the promise beside it", () => {
  test.each([
    [{ bytes: 172, handle: 0, none: 0 }, "Closing this tab is safe: uploading goes on when you come back."],
    [
      { bytes: 22, handle: 150, none: 0 },
      "Closing this tab is safe: when you come back, 150 photos need one click.",
    ],
    [
      { bytes: 171, handle: 1, none: 0 },
      "Closing this tab is safe: when you come back, 1 photo needs one click.",
    ],
    [{ bytes: 0, handle: 0, none: 172 }, "Keep this tab open: 172 photos are not kept yet."],
    [{ bytes: 100, handle: 71, none: 1 }, "Keep this tab open: 1 photo is not kept yet."],
  ])("of 172 on their way, %o kept: %s", (kept, words) => {
    expect(promiseOf({ ...tallyWith({ queued: 172 }), kept })).toEqual({ text: words, tone: "quiet" });
  });

  test("is safe once everything is sent", () => {
    expect(promiseOf(tallyWith({ confirming: 2 })).text).toBe(
      "Confirming 2 photos. Closing this tab is safe.",
    );
    expect(promiseOf(tallyWith({ done: 2 })).text).toBe("Closing this tab is safe.");
  });

  test("says the same of a pause", () => {
    const paused = { ...tallyWith({ paused: 2 }), paused: true };

    expect(promiseOf(paused).text).toBe("Paused. Closing this tab is safe.");
    expect(promiseOf({ ...paused, kept: { bytes: 0, handle: 0, none: 2 } }).text).toBe(
      "Paused. Keep this tab open: 2 photos are not kept yet.",
    );
  });

  test("says what is waited for", () => {
    const offline = { ...tallyWith({ waiting: 2 }), waitingFor: "connection" } as const;

    expect(promiseOf(offline).text).toBe(
      "No connection. Your photos are kept here; uploading goes on by itself.",
    );
    expect(promiseOf({ ...offline, kept: { bytes: 0, handle: 0, none: 2 } }).text).toBe(
      "No connection; uploading goes on by itself. Keep this tab open: 2 photos are not kept yet.",
    );
    expect(promiseOf({ ...tallyWith({ waiting: 2 }), waitingFor: "sign_in" }).text).toContain(
      "Please sign in again",
    );
  });

  test("keeps nobody from closing the tab for files of which nothing is here", () => {
    const needed = { ...waitingForFiles(3), kept: { bytes: 0, handle: 0, none: 3 } };

    expect(unkeptCount(needed)).toBe(0);
    expect(promiseOf(needed).text).toBe("3 photos to be chosen again: the list says which.");
  });

  test("asks for the click that a remembered folder needs", () => {
    const askable = { ...waitingForFiles(5), kept: { bytes: 0, handle: 2, none: 3 }, askableCount: 2 };

    expect(neededCount(askable)).toBe(3);
    expect(unkeptCount(askable)).toBe(0);
    expect(promiseOf(askable).text).toBe("2 photos wait until you let this page read the folder again.");
  });

  test("of a mirror is that another tab sends", () => {
    const unkept = { ...tallyWith({ uploading: 2 }), kept: { bytes: 0, handle: 0, none: 2 } };

    expect(promiseOfMirror(unkept).text).toBe("Uploading in another tab. Closing this one is safe.");
    expect(promiseOfMirror({ ...unkept, waitingFor: "sign_in" }).text).toContain("Please sign in again");
    expect(promiseOfMirror(tallyWith({ done: 2 })).text).toBe("Closing this tab is safe.");
  });

  test("of a mirror is not that another tab sends once all is sent", () => {
    expect(promiseOfMirror(tallyWith({ confirming: 2 })).text).toBe(
      "Confirming 2 photos. Closing this tab is safe.",
    );
  });

  test("of a mirror is not that another tab sends while it is paused", () => {
    const paused = tallyWith({ paused: 2 }, { paused: true, kept: { bytes: 0, handle: 0, none: 2 } });

    expect(promiseOfMirror(paused)).toEqual({ text: "Paused. Closing this tab is safe.", tone: "waiting" });
  });
});

describe("the head of the list", () => {
  test("tells how the files would be found again", () => {
    expect(keptWords({ bytes: 1_032, handle: 150, none: 22 })).toBe(
      "1,032 go on by themselves · 150 need one click · 22 would have to be chosen again",
    );
    expect(keptWords({ bytes: 1, handle: 1, none: 0 })).toBe("1 goes on by itself · 1 needs one click");
    expect(keptWords({ bytes: 0, handle: 0, none: 0 })).toBe("");
  });

  test("names files that have changed", () => {
    expect(changedWords([])).toBe("");
    expect(changedWords(["June/IMG_1.jpg"])).toBe(
      "1 photo has changed since you chose it; it goes up as a new photo: IMG_1.jpg",
    );
    expect(changedWords(["1.jpg", "2.jpg", "3.jpg", "4.jpg"])).toBe(
      "4 photos have changed since you chose them; they go up as new photos: 1.jpg, 2.jpg, 3.jpg …",
    );
  });
});

describe("the words of a row", () => {
  test("say how far it is and why it is not done", () => {
    expect(stateWords(rowWith({ state: "uploading", sentBytes: 1_200_000 }))).toBe(
      "1.2\u00a0MB of 4.0\u00a0MB",
    );
    expect(
      stateWords(rowWith({ state: "invalid", reasons: ["too_many_pixels", "too_long_side"] })),
    ).toContain("30,000");
    expect(stateWords(rowWith({ state: "done", reasons: ["duplicate"] }))).toContain("already");
  });

  test("never show a full ring before every byte is there", () => {
    expect(shareSent(rowWith({ state: "uploading", sentBytes: 3_999_999 }))).toBeLessThan(1);
    expect(shareSent(rowWith({ state: "queued", sizeBytes: 0 }))).toBe(0);
    expect(shareSent(rowWith({ state: "done" }))).toBe(1);
  });
});

function waitingForFiles(count: number): GalleryTally {
  const problems = [{ code: "file_needed", count, retryable: true, names: [] }];
  return { ...tallyWith({ waiting: count }), problems };
}
