import { expect, test } from "vitest";
import { type Profile, WIDEST_PROFILE } from "../domain/profile.ts";
import { profileWords } from "./profile-words.ts";

const KINDS = ["image/jpeg", "image/png", "image/x-adobe-dng", "image/x-nikon-nef"];

test.each<[Partial<Profile>, string]>([
  [{}, ""],
  [{ mediaTypes: ["image/jpeg"] }, "This gallery takes JPEG."],
  [{ mediaTypes: KINDS }, "This gallery takes JPEG, PNG and RAW."],
  [{ mediaTypes: [] }, "This gallery takes no photos."],
  [{ maxFileBytes: 50_000_000 }, "This gallery takes up to 50\u00a0MB each."],
  [{ minPixels: 5_000_000 }, "This gallery takes at least 5 megapixels."],
  [
    { minPixels: 2_550_000, maxPixels: 60_000_000 },
    "This gallery takes at least 2.55 megapixels and at most 60 megapixels.",
  ],
  [{ minPixels: 3072 }, "This gallery takes at least 3,072 pixels."],
  [{ mediaTypes: ["image/jpeg"], maxPhotos: 10 }, "This gallery takes JPEG, 10 photos in all."],
])("%j is told as: %s", (change, words) => {
  expect(profileWords({ ...WIDEST_PROFILE, ...change })).toBe(words);
});
