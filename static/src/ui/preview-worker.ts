// Makes small pictures, in a Worker of its own: from the one a camera has put in the file, else from the photo.

import { type EmbeddedPreview, findEmbeddedPreview } from "../domain/embedded-preview.ts";
import { type ImageSize, readImageSize } from "../domain/image-size.ts";
import { type MediaType, sniff } from "../domain/sniff.ts";
import { fewAtOnce } from "./few-at-once.ts";
import { cropTo, scaledTo, uprightSize, uprightTransform } from "./picture-shape.ts";
import type { PreviewAsked, PreviewMade } from "./preview-words.ts";

declare const self: DedicatedWorkerGlobalScope;

const AT_ONCE = 2;
const TELL_EVERY_MS = 250;
const HEAD_BYTES = 128 * 1024;
const LONGEST_PX = 240;
/** What a browser may be able to decode by itself; any other file would be read whole for nothing. */
const DECODABLE: ReadonlySet<MediaType> = new Set([
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/gif",
  "image/avif",
  "image/heic",
  "image/heif",
]);
/** Four bytes a pixel while it is decoded, and two at a time. */
const MAX_PIXELS = 50_000_000;
const MAX_BYTES_OF_UNKNOWN_SIZE = 30_000_000;

const draw = fewAtOnce(AT_ONCE, (file: Blob) => pictureOf(file).catch(() => null));
let made: PreviewMade[] = [];

self.onmessage = async ({ data: { number, file } }: MessageEvent<PreviewAsked>) => {
  const picture = await draw(file);
  made.push({ number, picture });
  if (made.length === 1) {
    setTimeout(tell, TELL_EVERY_MS);
  }
};

/** Each message wakes the page, so that those of a moment go in one. */
function tell(): void {
  const told = made;
  made = [];
  self.postMessage(
    told,
    told.flatMap(({ picture }) => picture ?? []),
  );
}

async function pictureOf(file: Blob): Promise<ImageBitmap | null> {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const type = sniff(head);
  if (type === null) {
    return null;
  }
  const size = readImageSize(type, head);
  const embedded = findEmbeddedPreview(head);
  const small = embedded === null ? null : await fromEmbedded(file, embedded, type, size).catch(() => null);
  return small ?? (mayDecode(file, type, size) ? await decoded(file) : null);
}

async function fromEmbedded(
  file: Blob,
  { at, bytes, orientation }: EmbeddedPreview,
  type: MediaType,
  size: ImageSize | null,
): Promise<ImageBitmap> {
  const jpeg = file.slice(at, at + bytes, "image/jpeg");
  const imageOrientation = orientation === null ? "from-image" : "none";
  const picture = await createImageBitmap(jpeg, { imageOrientation });
  // The size that the head of a RAW file tells is that of its own small picture.
  const crop = cropTo(picture, type === "image/jpeg" ? size : null);
  const drawn = scaledTo(crop, LONGEST_PX);
  const turn = orientation ?? 1;
  const { width, height } = uprightSize(turn, drawn);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context?.setTransform(...uprightTransform(turn, drawn));
  context?.drawImage(picture, crop.left, crop.top, crop.width, crop.height, 0, 0, drawn.width, drawn.height);
  picture.close();
  return canvas.transferToImageBitmap();
}

function mayDecode(file: Blob, type: MediaType, size: ImageSize | null): boolean {
  if (!DECODABLE.has(type)) {
    return false;
  }
  return size === null ? file.size <= MAX_BYTES_OF_UNKNOWN_SIZE : size.width * size.height <= MAX_PIXELS;
}

function decoded(file: Blob): Promise<ImageBitmap> {
  return createImageBitmap(file, { resizeWidth: LONGEST_PX, resizeQuality: "low" });
}
