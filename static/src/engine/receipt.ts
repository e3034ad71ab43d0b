import { troublesOf } from "../domain/tally.ts";
import type { PhotoRow, SidecarRow } from "../domain/wire.ts";
import type { UploadApi } from "../io/upload-api.ts";
import { groupedBy } from "../kernel/grouped.ts";
import type { FileEntry, GalleryEntry } from "./catalogue.ts";
import type { Connection } from "./connection.ts";
import { readPages } from "./pages.ts";
import type { ReceiptLine } from "./port.ts";
import { fateOf, mayHavePhoto } from "./sidecars-told.ts";

export type ReceiptPorts = {
  readonly api: Pick<UploadApi, "listPhotos" | "listSidecars">;
  readonly connection: Connection;
  readonly baseUrl: string;
};

/** What the server has of a gallery: photos by their id, an editor's notes by the upload of their photo. */
type Stored = {
  readonly photos: ReadonlyMap<string, PhotoRow>;
  readonly sidecars: ReadonlyMap<string, readonly SidecarRow[]>;
};

/** Notes of the round: one file, however many photos of a shot it is about. */
type ToldSidecar = { readonly sidecar: FileEntry["sidecars"][number]; readonly entry: FileEntry };

/**
 * A line for each file of the round, removed ones left out, and behind it one for each file of notes about it. What
 * this browser remembers is not enough to format a card: a file is verified where the server, asked now, has its photo.
 */
export async function receiptOf(gallery: GalleryEntry, ports: ReceiptPorts): Promise<readonly ReceiptLine[]> {
  const files = gallery.files.filter((entry) => entry.runner.state.name !== "removed");
  const stored = await readStored(gallery.id, files, ports);
  const sidecars = groupedBy(
    files.flatMap((entry) => entry.sidecars.map((sidecar): ToldSidecar => ({ entry, sidecar }))),
    ({ sidecar }) => sidecar.relativePath,
  );
  const behind = groupedBy(sidecars.values(), (same) => same[0]?.entry);
  return files.flatMap((entry) => [
    lineOf(entry, photoOf(entry, stored), ports.baseUrl),
    ...(behind.get(entry) ?? []).flatMap((same) => sidecarLineOf(same, stored, ports.baseUrl)),
  ]);
}

async function readStored(
  galleryId: string,
  files: readonly FileEntry[],
  ports: ReceiptPorts,
): Promise<Stored> {
  const photos = new Map<string, PhotoRow>();
  for (const status of ["ready", "staged"] as const) await readPhotos(galleryId, status, photos, ports);
  const hasSidecars = files.some(({ sidecars }) => sidecars.length > 0);
  return { photos, sidecars: hasSidecars ? await readSidecars(galleryId, ports) : new Map() };
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

async function readSidecars(
  galleryId: string,
  { api, connection }: ReceiptPorts,
): Promise<Stored["sidecars"]> {
  const sidecars: SidecarRow[] = [];
  await readPages(
    (cursor) => connection.call(() => api.listSidecars(galleryId, cursor)),
    (page) => sidecars.push(...page.sidecars),
  );
  return groupedBy(sidecars, ({ uploadId }) => uploadId);
}

function photoOf({ runner }: FileEntry, { photos }: Stored): PhotoRow | null {
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
    where: photo === null ? null : addressOf(photo, entry, baseUrl),
    reasons: photo === null ? reasonsOf(runner.state) : [],
  };
}

/** A photo that was confirmed and is there no more has been deleted since. */
function reasonsOf(state: FileEntry["runner"]["state"]): readonly string[] {
  if (state.name === "done") return ["deleted"];
  const codes = troublesOf(state).map(({ code }) => code);
  return codes.length > 0 ? codes : ["not_yet"];
}

/** They are verified where the server has those very bytes beside each of their photos that was not refused. */
function sidecarLineOf(same: readonly ToldSidecar[], stored: Stored, baseUrl: string): ReceiptLine[] {
  const [first] = same;
  if (first === undefined) return [];
  const { name, relativePath, sizeBytes } = first.sidecar;
  const beside = same.filter(({ entry }) => mayHavePhoto(entry));
  const rows = beside.map((one) => sidecarRowOf(one, stored));
  const [row = null] = rows;
  const isVerified = rows.length > 0 && rows.every((each) => each !== null);
  const [{ entry } = first] = beside;
  const photo = photoOf(entry, stored);
  return [
    {
      name,
      relativePath,
      sizeBytes,
      isVerified,
      crc32: row?.crc32 ?? null,
      sha256: row?.sha256 ?? null,
      where: row === null || photo === null ? null : addressOf(photo, entry, baseUrl),
      reasons: isVerified ? [] : [reasonOf(fateOf(same))],
    },
  ];
}

function sidecarRowOf({ sidecar: { end, sizeBytes } }: ToldSidecar, stored: Stored): SidecarRow | null {
  if (end?.kind !== "kept") return null;
  const rows = stored.sidecars.get(end.uploadId) ?? [];
  return rows.find(({ bytes, crc32 }) => bytes === sizeBytes && crc32 === end.crc32) ?? null;
}

function reasonOf({ state, reason }: ReturnType<typeof fateOf>): string {
  return reason ?? (state === "waiting" ? "not_yet" : "deleted");
}

function addressOf({ id }: PhotoRow, { gallery }: FileEntry, baseUrl: string): string {
  return new URL(`/galleries/${gallery.id}/photos/${id}/`, baseUrl).href;
}
