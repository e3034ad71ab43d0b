// Pure: a photo of the wire -> what the wall and the lightbox show of it.

export type Picture = Readonly<{ url: string; width: number; height: number }>;

export type WallPhoto = Readonly<{
  id: string;
  /** Null where nobody may know. */
  uploadId: string | null;
  name: string;
  version: number;
  status: string;
  sizeBytes: number;
  width: number;
  height: number;
  capturedAt: string | null;
  sortAt: string;
  thumbhash: string | null;
  grid: Picture | null;
  view: Picture | null;
  originalUrl: string | null;
  camera: string;
  details: readonly (readonly [label: string, value: string])[];
}>;

export type PhotoPage = Readonly<{
  photos: readonly WallPhoto[];
  nextCursor: string | null;
  version: number;
}>;

export function readPhotoPage(value: unknown): PhotoPage {
  const page = fieldsOf(value);
  return {
    photos: listOf(page["photos"]).flatMap((item) => readPhoto(item) ?? []),
    nextCursor: textOr(page["next_cursor"], null),
    version: numberOr(page["version"], 0),
  };
}

/** null for a refusal, and for anything without an id: one odd row must not take the wall down. */
export function readPhoto(value: unknown): WallPhoto | null {
  const given = fieldsOf(value);
  // A row that came through the socket keeps the item of the wire beside what was parsed of it.
  const photo = "fields" in given ? fieldsOf(given["fields"]) : given;
  const id = textOr(photo["id"], null);
  if (id === null || "error" in photo) {
    return null;
  }
  const pictures = new Map(
    listOf(photo["renditions"]).map((item) => [fieldsOf(item)["name"], readPicture(item)]),
  );
  return {
    id,
    uploadId: textOr(photo["upload_id"], null),
    name: textOr(photo["name"], ""),
    version: numberOr(photo["version"], 1),
    status: textOr(photo["status"], "ready"),
    sizeBytes: numberOr(photo["size"], 0),
    width: numberOr(photo["width"], 0),
    height: numberOr(photo["height"], 0),
    capturedAt: textOr(photo["captured_at"], null),
    sortAt: textOr(photo["sort_at"], ""),
    thumbhash: textOr(photo["thumbhash"], null),
    grid: pictures.get("grid") ?? null,
    view: pictures.get("view") ?? null,
    originalUrl: textOr(photo["original_url"], null),
    camera: textOr(photo["camera"], ""),
    details: Object.entries(fieldsOf(photo["details"])).map(
      ([label, detail]) => [label, String(detail)] as const,
    ),
  };
}

export function ratioOf(photo: WallPhoto): number {
  return photo.width > 0 && photo.height > 0 ? photo.width / photo.height : 1;
}

export type WallOrder = "captured" | "name" | "added";

/** Which photos a wall shows, and in which order. */
export type WallKind = Readonly<{ status: "ready" | "staged"; order: WallOrder }>;

/** Newer rows replace older ones, what is no longer shown leaves, what is new goes to its place in the order. */
export function mergePhotos(
  shown: readonly WallPhoto[],
  changed: readonly WallPhoto[],
  { status, order }: WallKind,
): readonly WallPhoto[] {
  const isShown = (photo: WallPhoto): boolean => photo.status === status;
  const newer = new Map(changed.map((photo) => [photo.id, photo]));
  const kept = shown.map((photo) => {
    const other = newer.get(photo.id);
    newer.delete(photo.id);
    return other !== undefined && other.version >= photo.version ? other : photo;
  });
  const added = Array.from(newer.values()).filter(isShown);
  const merged = kept.filter(isShown);
  // The list of the server is in order already; only when something joins it is there anything to sort.
  return added.length === 0 || order === "added"
    ? [...merged, ...added]
    : [...merged, ...added].sort(byOrder(order));
}

function byOrder(order: WallOrder): (one: WallPhoto, other: WallPhoto) => number {
  const key = (photo: WallPhoto): string => (order === "name" ? photo.name : photo.sortAt);
  return (one, other) => compare(key(one), key(other)) || compare(one.id, other.id);
}

// Code units, as the database compares them, not the reader's alphabet.
function compare(one: string, other: string): number {
  if (one === other) {
    return 0;
  }
  return one < other ? -1 : 1;
}

function readPicture(value: unknown): Picture | null {
  const picture = fieldsOf(value);
  const url = textOr(picture["url"], null);
  if (url === null) {
    return null;
  }
  return { url, width: numberOr(picture["width"], 0), height: numberOr(picture["height"], 0) };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOr<T>(value: unknown, other: T): string | T {
  return typeof value === "string" ? value : other;
}

function numberOr(value: unknown, other: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : other;
}
