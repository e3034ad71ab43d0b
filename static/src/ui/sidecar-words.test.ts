import { expect, test } from "vitest";
import type { SidecarsReport } from "../engine/port.ts";
import { sidecarSentences, sidecarWords } from "./sidecar-words.ts";

function told(report: Partial<SidecarsReport>): readonly string[] {
  return sidecarSentences({
    type: "sidecars",
    galleryId: "g",
    keptCount: 0,
    waitingCount: 0,
    problems: [],
    ...report,
  });
}

test.each([
  [{}, []],
  [{ keptCount: 1 }, ["1 file with edits (XMP) kept beside its photo."]],
  [{ keptCount: 1_200 }, ["1,200 files with edits (XMP) kept beside their photos."]],
  [{ keptCount: 3, waitingCount: 9 }, ["12 files with edits (XMP) on the way, 3 kept."]],
  [
    { keptCount: 1, problems: [{ code: "sidecar_too_large", names: ["a.xmp"] }] },
    [
      "1 file with edits (XMP) kept beside its photo.",
      "1 file with edits (XMP) stays on your disk (larger than 512 KB): a.xmp.",
    ],
  ],
  [
    { problems: [{ code: "no_photo", names: ["a.xmp", "b.xmp", "c.xmp", "d.xmp"] }] },
    ["4 files with edits (XMP) stay on your disk (no photo of that name is here): a.xmp, b.xmp, c.xmp …."],
  ],
] as const)("of %j the page says %j", (report, sentences) => {
  expect(told(report)).toEqual(sentences);
});

test.each([
  "no_photo",
  "photo_not_added",
  "several_photos",
  "sidecar_too_large",
  "file_too_large",
  "too_many_sidecars",
  "not_xmp",
  "quota_exceeded",
  "file_unreadable",
  "wrong_state",
  "gallery_deleted",
])("%s has words of its own", (code) => {
  const [words] = told({ problems: [{ code, names: ["a.xmp"] }] });
  const [unknown] = told({ problems: [{ code: "never heard of", names: ["a.xmp"] }] });

  expect(words).not.toBe(unknown);
  expect(words).not.toContain(code);
});

test("a row says what became of its notes", () => {
  const words = sidecarWords([
    { name: "a.xmp", state: "kept", reason: null },
    { name: "b.xmp", state: "waiting", reason: null },
    { name: "c.xmp", state: "refused", reason: "sidecar_too_large" },
  ]);

  expect(words).toBe(
    "Edits kept: a.xmp · Edits on the way: b.xmp · Edits not kept: c.xmp, larger than 512 KB",
  );
  expect(sidecarWords(undefined)).toBe("");
});
