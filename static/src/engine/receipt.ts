import { troublesOf } from "../domain/tally.ts";
import type { PhotoRow } from "../domain/wire.ts";
import type { UploadApi } from "../io/upload-api.ts";
import type { FileEntry, GalleryEntry } from "./catalogue.ts";
import type { Connection } from "./connection.ts";
import { readPages } from "./pages.ts";
import type { ReceiptLine } from "./port.ts";

export type ReceiptPorts = {
  readonly api: Pick<UploadApi, "listPhotos">;
  readonly connection: Connection;
  readonly baseUrl: string;
};

/**
 * A line for each file of the round, removed ones left out. What this browser remembers is not enough to format a card:
 * a file is verified where the server, asked now, has its photo.
 */
export async function receiptOf(gallery: GalleryEntry, ports: ReceiptPorts): Promise<readonly ReceiptLine[]> {
  const photos = new Map<string, PhotoRow>();
  for (const status of ["ready", "staged"] as const) await readPhotos(gallery.id, status, photos, ports);
  return gallery.files
    .filter((entry) => entry.runner.state.name !== "removed")
    .map((entry) => lineOf(entry, photoOf(entry, photos), ports.baseUrl));
}

async function readPhotos(
  galleryId: string,
  status: "ready" | "staged",
  photos: Map<string, PhotoRow>,
  { api, connection }: ReceiptPorts,
): Promise<void> {
  // What the server does not tell counts as not verified.
  await readPages(
    (cursor) => connection.call(() => api.listPhotos(galleryId, status, cursor)),
    (page) => {
      for (const photo of page.photos) photos.set(photo.id, photo);
    },
  );
}

function photoOf({ runner }: FileEntry, photos: ReadonlyMap<string, PhotoRow>): PhotoRow | null {
  const { state } = runner;
  return state.name === "done" && state.photoId !== null ? (photos.get(state.photoId) ?? null) : null;
}

function lineOf(entry: FileEntry, photo: PhotoRow | null, baseUrl: string): ReceiptLine {
  const { name, relativePath, sizeBytes, runner } = entry;
  return {
    name,
    relativePath,
    sizeBytes,
    isVerified: photo !== null && photo.bytes === sizeBytes,
    crc32: photo?.crc32 ?? null,
    sha256: photo?.sha256 ?? null,
    where:
      photo === null ? null : new URL(`/galleries/${entry.gallery.id}/photos/${photo.id}/`, baseUrl).href,
    reasons: photo === null ? reasonsOf(runner.state) : [],
  };
}

/** A photo that was confirmed and is there no more has been deleted since. */
function reasonsOf(state: FileEntry["runner"]["state"]): readonly string[] {
  if (state.name === "done") return ["deleted"];
  const codes = troublesOf(state).map(({ code }) => code);
  return codes.length > 0 ? codes : ["not_yet"];
}
