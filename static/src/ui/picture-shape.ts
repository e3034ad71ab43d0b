// Pure: how a small picture is cut, turned and scaled. A camera's thumbnail has bars where its photo has another shape.

import type { Orientation } from "../domain/embedded-preview.ts";

export type Size = Readonly<{ width: number; height: number }>;
export type Crop = Size & Readonly<{ left: number; top: number }>;

/** Below this share, rounding explains the difference. */
const BAR_SHARE = 0.02;

/** The part of the picture that has the photo's shape; all of it where that is not known. */
export function cropTo(picture: Size, photo: Size | null): Crop {
  const whole = { left: 0, top: 0, ...picture };
  if (photo === null) {
    return whole;
  }
  const width = Math.min(picture.width, Math.round((picture.height * photo.width) / photo.height));
  const height = Math.min(picture.height, Math.round((picture.width * photo.height) / photo.width));
  const isWhole = width > picture.width * (1 - BAR_SHARE) && height > picture.height * (1 - BAR_SHARE);
  return isWhole
    ? whole
    : {
        left: Math.floor((picture.width - width) / 2),
        top: Math.floor((picture.height - height) / 2),
        width,
        height,
      };
}

/** No side longer than `longest`, never enlarged. */
export function scaledTo(size: Size, longest: number): Size {
  const scale = Math.min(1, longest / Math.max(size.width, size.height));
  return {
    width: Math.max(1, Math.round(size.width * scale)),
    height: Math.max(1, Math.round(size.height * scale)),
  };
}

/** What a canvas is set to, so that a picture drawn from 0, 0 at `drawn` stands upright. */
export function uprightTransform(
  orientation: Orientation,
  { width, height }: Size,
): readonly [number, number, number, number, number, number] {
  switch (orientation) {
    case 1:
      return [1, 0, 0, 1, 0, 0];
    case 2:
      return [-1, 0, 0, 1, width, 0];
    case 3:
      return [-1, 0, 0, -1, width, height];
    case 4:
      return [1, 0, 0, -1, 0, height];
    case 5:
      return [0, 1, 1, 0, 0, 0];
    case 6:
      return [0, 1, -1, 0, height, 0];
    case 7:
      return [0, -1, -1, 0, height, width];
    case 8:
      return [0, -1, 1, 0, 0, width];
    default:
      return orientation satisfies never;
  }
}

/** The size of a picture once it stands upright. */
export function uprightSize(orientation: Orientation, { width, height }: Size): Size {
  return orientation >= 5 ? { width: height, height: width } : { width, height };
}
