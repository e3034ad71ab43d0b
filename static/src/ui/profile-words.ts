// Pure: what a gallery takes, in one sentence; nothing where it takes what every gallery takes.

import { type Profile, WIDEST_PROFILE } from "../domain/profile.ts";
import { formatBytes, formatCount, photosOf } from "./quantities.ts";

const MEGA = 1_000_000;
const KINDS: Readonly<Record<string, string>> = {
  "image/jpeg": "JPEG",
  "image/png": "PNG",
  "image/webp": "WebP",
  "image/gif": "GIF",
  "image/avif": "AVIF",
  "image/tiff": "TIFF",
  "image/heic": "HEIC",
  "image/heif": "HEIF",
};

export function profileWords(profile: Profile): string {
  const parts = [kindWords(profile), sizeWords(profile), pixelWords(profile), countWords(profile)];
  const said = parts.filter((part) => part !== "");
  return said.length === 0 ? "" : `This gallery takes ${said.join(", ")}.`;
}

function kindWords({ mediaTypes }: Profile): string {
  if (WIDEST_PROFILE.mediaTypes.every((type) => mediaTypes.includes(type))) {
    return "";
  }
  const kinds = [...new Set(mediaTypes.map((type) => KINDS[type] ?? "RAW"))];
  return kinds.length < 2
    ? (kinds[0] ?? "no photos")
    : `${kinds.slice(0, -1).join(", ")} and ${kinds.at(-1)}`;
}

function sizeWords({ maxFileBytes }: Profile): string {
  return maxFileBytes < WIDEST_PROFILE.maxFileBytes ? `up to ${formatBytes(maxFileBytes)} each` : "";
}

function pixelWords({ minPixels, maxPixels }: Profile): string {
  const least = minPixels > WIDEST_PROFILE.minPixels ? `at least ${megapixels(minPixels)}` : "";
  const most = maxPixels < WIDEST_PROFILE.maxPixels ? `at most ${megapixels(maxPixels)}` : "";
  return [least, most].filter((words) => words !== "").join(" and ");
}

function megapixels(pixels: number): string {
  return pixels < MEGA / 10
    ? `${formatCount(pixels)} pixels`
    : `${formatCount(Math.round((pixels / MEGA) * 100) / 100)} megapixels`;
}

function countWords({ maxPhotos }: Profile): string {
  return maxPhotos < WIDEST_PROFILE.maxPhotos ? `${photosOf(maxPhotos)} in all` : "";
}
