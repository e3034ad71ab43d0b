// Pure: every answer and every socket message, parsed once; snake_case ends here. Twin of uploads/wire.py.
import { failedWith, type Result, succeeded } from "../kernel/result.ts";
import type { Failure } from "./failure.ts";
import { type Profile, WIDEST_PROFILE } from "./profile.ts";

export type UploadRowState =
  | "registered"
  | "signed"
  | "uploading"
  | "uploaded"
  | "verifying"
  | "verified"
  | "failed"
  | "cancelled"
  | "expired"
  | "refused";

export type SignedRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
};

export type SignedPart = {
  readonly number: number;
  readonly offset: number;
  readonly bytes: number;
  readonly request: SignedRequest;
};

export type Transfer =
  | { readonly lane: "put"; readonly request: SignedRequest; readonly expiresInS: number }
  | {
      readonly lane: "multipart";
      readonly partBytes: number;
      readonly fileBytes: number;
      readonly parts: readonly SignedPart[];
      readonly storedParts: readonly number[];
      readonly expiresInS: number;
    }
  | {
      readonly lane: "resumable";
      readonly sessionUri: string;
      readonly chunkBytes: number;
      readonly offset: number;
    };

/** One item of a bulk answer. `state` is null where the item is nothing but an error about an unknown id. */
export type UploadRow = {
  readonly id: string | null;
  readonly clientId: string | null;
  readonly name: string | null;
  readonly fileBytes: number | null;
  readonly state: UploadRowState | null;
  readonly version: number;
  readonly failure: Failure | null;
  readonly photoId: string | null;
  readonly transfer: Transfer | null;
};

export type UploadPage = {
  readonly uploads: readonly UploadRow[];
  readonly nextCursor: string | null;
  readonly version: number | null;
};

export type StoredPart = { readonly number: number; readonly bytes: number };

/** What the store has of an upload; null once it was cancelled or failed. */
export type StoredBytes = {
  readonly status: "in_progress" | "complete" | "expired";
  readonly bytes: number;
  readonly parts: readonly StoredPart[];
};

export type Rendition = {
  readonly name: string;
  readonly url: string;
  readonly width: number;
  readonly height: number;
};

export type PhotoRow = {
  readonly id: string;
  readonly uploadId: string | null;
  readonly name: string;
  readonly bytes: number;
  readonly width: number | null;
  readonly height: number | null;
  readonly capturedAt: string | null;
  readonly crc32: string | null;
  readonly sha256: string | null;
  readonly status: string;
  readonly version: number;
  readonly renditions: readonly Rendition[];
  readonly originalUrl: string | null;
  /** The item as it came, for fields the grid alone knows of. */
  readonly fields: JsonObject;
};

export type PhotoPage = {
  readonly photos: readonly PhotoRow[];
  readonly nextCursor: string | null;
  readonly version: number | null;
};

/** An editor's notes (XMP) as the server keeps them. */
export type SidecarRow = {
  readonly id: string;
  readonly uploadId: string;
  readonly name: string;
  readonly bytes: number;
  readonly crc32: string;
  readonly sha256: string;
};

export type SidecarPage = { readonly sidecars: readonly SidecarRow[]; readonly nextCursor: string | null };

export type Totals = {
  readonly bytes: number;
  readonly bytesTotal: number;
  readonly files: Readonly<Record<string, number>>;
  readonly bytesPerS: number | null;
  readonly secondsLeft: number | null;
  /** Photos that are safe and not published. */
  readonly stagedCount: number;
  /** What is published; null from a server that doesn't say. */
  readonly photoCount: number | null;
  readonly byteCount: number | null;
};

export type GalleryRow = {
  readonly id: string;
  readonly title: string;
  readonly state: string;
  readonly version: number;
  readonly photoCount: number;
  readonly byteCount: number;
  readonly autoPublish: boolean;
  readonly coverPhotoId: string | null;
  readonly sort: string;
  readonly keepLocation: boolean;
  readonly totals: Totals | null;
  readonly profile: Profile;
  readonly url: string;
};

export type PublicationState = "in_progress" | "all_succeeded" | "some_failed" | "all_failed";

export type PublicationRow = {
  readonly id: string;
  readonly state: PublicationState;
  readonly version: number;
  readonly counts: PublicationCounts;
  /** Of those not published, the first thousand. */
  readonly failures: readonly Failure[];
};

export type PublicationCounts = {
  readonly chosen: number;
  readonly published: number;
  readonly failed: number;
  readonly pending: number;
};

export type SocketMessage =
  | {
      readonly type: "snapshot";
      readonly version: number;
      readonly gallery: GalleryRow;
      readonly totals: Totals | null;
    }
  | { readonly type: "progress"; readonly totals: Totals }
  | {
      readonly type: "uploads";
      readonly previous: number;
      readonly version: number;
      readonly uploads: readonly UploadRow[];
    }
  | {
      readonly type: "photos";
      readonly previous: number;
      readonly version: number;
      readonly photos: readonly PhotoRow[];
    }
  | {
      readonly type: "publication";
      readonly previous: number;
      readonly version: number;
      readonly publication: PublicationRow | null;
    };

export type Session = {
  readonly userId: string | null;
  readonly csrfToken: string;
};

export type Malformed = { readonly kind: "malformed"; readonly where: string };

class NotAsAgreed extends Error {}

function parsed<Value>(read: () => Value): Result<Value, Malformed> {
  try {
    return succeeded(read());
  } catch (error: unknown) {
    if (error instanceof NotAsAgreed) return failedWith({ kind: "malformed", where: error.message });
    throw error;
  }
}

/** A JSON object whose fields are asked for by name and kind. */
class Fields {
  readonly record: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new NotAsAgreed(where);
    this.record = value as Record<string, unknown>;
    this.#where = where;
  }

  at(name: string): unknown {
    return this.record[name];
  }

  has(name: string): boolean {
    return !isNothing(this.at(name));
  }

  text(name: string): string {
    const value = this.record[name];
    return typeof value === "string" ? value : this.#refuse(name);
  }

  textOrNull(name: string): string | null {
    return this.has(name) ? this.text(name) : null;
  }

  number(name: string): number {
    const value = this.record[name];
    return typeof value === "number" && Number.isFinite(value) ? value : this.#refuse(name);
  }

  numberOrNull(name: string): number | null {
    return this.has(name) ? this.number(name) : null;
  }

  isTrue(name: string): boolean {
    return this.record[name] === true;
  }

  word<Word extends string>(name: string, words: readonly Word[]): Word {
    return words.find((word) => word === this.record[name]) ?? this.#refuse(name);
  }

  fields(name: string): Fields {
    return new Fields(this.record[name], `${this.#where}.${name}`);
  }

  fieldsOrEmpty(name: string): Fields {
    return this.has(name) ? this.fields(name) : new Fields({}, name);
  }

  list<Item>(name: string, read: (item: unknown) => Item): Item[] {
    const value = this.record[name];
    return Array.isArray(value) ? value.map(read) : this.#refuse(name);
  }

  listOrEmpty<Item>(name: string, read: (item: unknown) => Item): Item[] {
    return this.has(name) ? this.list(name, read) : [];
  }

  #refuse(name: string): never {
    throw new NotAsAgreed(`${this.#where}.${name}`);
  }
}

function isNothing(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

const UPLOAD_STATES: readonly UploadRowState[] = [
  "registered",
  "signed",
  "uploading",
  "uploaded",
  "verifying",
  "verified",
  "failed",
  "cancelled",
  "expired",
  "refused",
];

function failureOf(value: unknown): Failure | null {
  if (isNothing(value)) return null;
  const error = new Fields(value, "error");
  return {
    code: error.text("code"),
    retryable: error.isTrue("retryable"),
    photoId: error.fieldsOrEmpty("details").textOrNull("photo_id"),
  };
}

function requestOf(value: unknown): SignedRequest {
  const request = new Fields(value, "request");
  const headers = request.fields("headers");
  return {
    method: request.text("method"),
    url: request.text("url"),
    headers: Object.fromEntries(Object.keys(headers.record).map((name) => [name, headers.text(name)])),
  };
}

function signedPartOf(value: unknown): SignedPart {
  const part = new Fields(value, "part");
  return {
    number: part.number("number"),
    offset: part.number("offset"),
    bytes: part.number("size"),
    request: requestOf(part.at("request")),
  };
}

function partNumberOf(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new NotAsAgreed("transfer.stored");
  return value as number;
}

function transferOf(value: unknown): Transfer | null {
  if (isNothing(value)) return null;
  const transfer = new Fields(value, "transfer");
  switch (transfer.word("lane", ["put", "multipart", "resumable"])) {
    case "put":
      return {
        lane: "put",
        request: requestOf(transfer.at("request")),
        expiresInS: transfer.number("expires_in_s"),
      };
    case "multipart":
      return {
        lane: "multipart",
        partBytes: transfer.number("part_size"),
        fileBytes: transfer.number("size"),
        parts: transfer.list("parts", signedPartOf),
        storedParts: transfer.list("stored", partNumberOf),
        expiresInS: transfer.number("expires_in_s"),
      };
    case "resumable":
      return {
        lane: "resumable",
        sessionUri: transfer.text("session_uri"),
        chunkBytes: transfer.number("chunk_size"),
        offset: transfer.number("offset"),
      };
  }
}

function uploadRowOf(value: unknown): UploadRow {
  const upload = new Fields(value, "upload");
  return {
    id: upload.textOrNull("id"),
    clientId: upload.textOrNull("client_id"),
    name: upload.textOrNull("name"),
    fileBytes: upload.numberOrNull("size"),
    state: upload.has("state") ? upload.word("state", UPLOAD_STATES) : null,
    version: upload.numberOrNull("version") ?? 0,
    failure: failureOf(upload.at("error")),
    photoId: upload.textOrNull("photo_id"),
    transfer: transferOf(upload.at("transfer")),
  };
}

function renditionOf(value: unknown): Rendition {
  const rendition = new Fields(value, "rendition");
  return {
    name: rendition.text("name"),
    url: rendition.text("url"),
    width: rendition.number("width"),
    height: rendition.number("height"),
  };
}

function photoRowOf(value: unknown): PhotoRow {
  const photo = new Fields(value, "photo");
  return {
    id: photo.text("id"),
    uploadId: photo.textOrNull("upload_id"),
    name: photo.text("name"),
    bytes: photo.number("size"),
    width: photo.numberOrNull("width"),
    height: photo.numberOrNull("height"),
    capturedAt: photo.textOrNull("captured_at"),
    crc32: photo.textOrNull("crc32"),
    sha256: photo.textOrNull("sha256"),
    status: photo.text("status"),
    version: photo.number("version"),
    renditions: photo.listOrEmpty("renditions", renditionOf),
    originalUrl: photo.textOrNull("original_url"),
    fields: photo.record,
  };
}

function totalsOf(value: unknown): Totals | null {
  if (isNothing(value)) return null;
  const totals = new Fields(value, "totals");
  const files = totals.fieldsOrEmpty("files");
  return {
    bytes: totals.numberOrNull("bytes") ?? 0,
    bytesTotal: totals.numberOrNull("bytes_total") ?? 0,
    files: Object.fromEntries(Object.keys(files.record).map((state) => [state, files.number(state)])),
    bytesPerS: totals.numberOrNull("rate"),
    secondsLeft: totals.numberOrNull("seconds_left"),
    stagedCount: totals.numberOrNull("staged") ?? 0,
    photoCount: totals.numberOrNull("photo_count"),
    byteCount: totals.numberOrNull("byte_count"),
  };
}

function galleryRowOf(value: unknown): GalleryRow {
  const gallery = new Fields(value, "gallery");
  return {
    id: gallery.text("id"),
    title: gallery.text("title"),
    state: gallery.textOrNull("state") ?? "empty",
    version: gallery.number("version"),
    photoCount: gallery.numberOrNull("photo_count") ?? 0,
    byteCount: gallery.numberOrNull("byte_count") ?? 0,
    autoPublish: gallery.at("auto_publish") !== false,
    coverPhotoId: gallery.textOrNull("cover_photo_id"),
    sort: gallery.textOrNull("sort") ?? "captured",
    keepLocation: gallery.isTrue("keep_location"),
    totals: totalsOf(gallery.at("progress")),
    profile: profileOf(gallery.at("profile")),
    url: gallery.textOrNull("url") ?? "",
  };
}

function profileOf(value: unknown): Profile {
  if (isNothing(value)) return WIDEST_PROFILE;
  const profile = new Fields(value, "profile");
  return {
    mediaTypes: profile.list("media_types", mediaTypeOf),
    maxFileBytes: profile.number("max_file_bytes"),
    minPixels: profile.number("min_pixels"),
    maxPixels: profile.number("max_pixels"),
    maxSidePx: profile.number("max_side_px"),
    maxPhotos: profile.number("max_photos"),
  };
}

function mediaTypeOf(value: unknown): string {
  if (typeof value !== "string") throw new NotAsAgreed("profile.media_types");
  return value;
}

function publicationOf(value: unknown): PublicationRow | null {
  return isNothing(value) ? null : publicationRowOf(value);
}

function publicationRowOf(value: unknown): PublicationRow {
  const publication = new Fields(value, "publication");
  const states: readonly PublicationState[] = ["in_progress", "all_succeeded", "some_failed", "all_failed"];
  return {
    id: publication.text("id"),
    state: publication.word("state", states),
    version: publication.numberOrNull("version") ?? 0,
    counts: countsOf(publication.fieldsOrEmpty("counts")),
    failures: publication
      .listOrEmpty("failures", (item) => failureOf(new Fields(item, "publication.failure").at("error")))
      .filter((failure) => failure !== null),
  };
}

function countsOf(counts: Fields): PublicationCounts {
  return {
    chosen: counts.numberOrNull("chosen") ?? 0,
    published: counts.numberOrNull("published") ?? 0,
    failed: counts.numberOrNull("failed") ?? 0,
    pending: counts.numberOrNull("pending") ?? 0,
  };
}

/** `{uploads: […]}`, of a bulk call or of one page of a list. */
export function parseUploadPage(body: unknown): Result<UploadPage, Malformed> {
  return parsed(() => {
    const page = new Fields(body, "page");
    return {
      uploads: page.list("uploads", uploadRowOf),
      nextCursor: page.textOrNull("next_cursor"),
      version: page.numberOrNull("version"),
    };
  });
}

export function parsePhotoPage(body: unknown): Result<PhotoPage, Malformed> {
  return parsed(() => {
    const page = new Fields(body, "page");
    return {
      photos: page.list("photos", photoRowOf),
      nextCursor: page.textOrNull("next_cursor"),
      version: page.numberOrNull("version"),
    };
  });
}

export function parseSidecar(body: unknown): Result<SidecarRow, Malformed> {
  return parsed(() => sidecarRowOf(body));
}

export function parseSidecarPage(body: unknown): Result<SidecarPage, Malformed> {
  return parsed(() => {
    const page = new Fields(body, "page");
    return {
      sidecars: page.list("sidecars", sidecarRowOf),
      nextCursor: page.textOrNull("next_cursor"),
    };
  });
}

function sidecarRowOf(value: unknown): SidecarRow {
  const sidecar = new Fields(value, "sidecar");
  return {
    id: sidecar.text("id"),
    uploadId: sidecar.text("upload_id"),
    name: sidecar.text("name"),
    bytes: sidecar.number("size"),
    crc32: sidecar.text("crc32"),
    sha256: sidecar.text("sha256"),
  };
}

export function parsePublication(body: unknown): Result<PublicationRow, Malformed> {
  return parsed(() => publicationRowOf(body));
}

/** As the gallery's own page brings it. */
export function parseProfile(body: unknown): Result<Profile, Malformed> {
  return parsed(() => profileOf(body));
}

export function parseGallery(body: unknown): Result<GalleryRow, Malformed> {
  return parsed(() => galleryRowOf(body));
}

/** `GET /api/uploads/{id}`: the row, and what the store has of it. */
export function parseStored(
  body: unknown,
): Result<{ readonly row: UploadRow; readonly stored: StoredBytes | null }, Malformed> {
  return parsed(() => {
    const upload = new Fields(body, "upload");
    return { row: uploadRowOf(upload), stored: storedOf(upload.at("stored")) };
  });
}

function storedOf(value: unknown): StoredBytes | null {
  if (isNothing(value)) return null;
  const stored = new Fields(value, "stored");
  return {
    status: stored.word("status", ["in_progress", "complete", "expired"]),
    bytes: stored.numberOrNull("bytes") ?? 0,
    parts: stored.listOrEmpty("parts", (item) => {
      const part = new Fields(item, "stored.part");
      return { number: part.number("number"), bytes: part.number("size") };
    }),
  };
}

export function parseSession(body: unknown): Result<Session, Malformed> {
  return parsed(() => {
    const session = new Fields(body, "session");
    const userId = session.has("user") ? String(session.fields("user").at("id")) : null;
    return { userId, csrfToken: session.text("csrf_token") };
  });
}

/** The error of a refused call, or null where the body is none (a proxy's page, an empty answer). */
export function parseError(body: unknown): Failure | null {
  const answer = parsed(() => failureOf(new Fields(body, "body").at("error")));
  return answer.ok ? answer.value : null;
}

export function parseSocketMessage(body: unknown): Result<SocketMessage, Malformed> {
  return parsed(() => {
    const message = new Fields(body, "message");
    const type = message.word("type", ["snapshot", "progress", "uploads", "photos", "publication"]);
    if (type === "snapshot") return snapshotOf(message);
    if (type === "progress") return { type, totals: totalsOf(message.at("totals")) ?? totalsMissing() };
    const previous = message.number("previous");
    const version = message.number("version");
    switch (type) {
      case "uploads":
        return { type, previous, version, uploads: message.listOrEmpty("uploads", uploadRowOf) };
      case "photos":
        return { type, previous, version, photos: message.listOrEmpty("photos", photoRowOf) };
      case "publication":
        return {
          type,
          previous,
          version,
          publication: publicationOf(message.at("publication") ?? message.record),
        };
    }
  });
}

/** What is said of all of somebody's galleries, and what the list of them answers. */
export type OverallMessage =
  | { readonly type: "snapshot"; readonly galleries: readonly GalleryRow[]; readonly overall: Totals }
  | {
      readonly type: "progress";
      readonly galleryId: string;
      readonly totals: Totals;
      readonly overall: Totals;
    };

export function parseOverallMessage(body: unknown): Result<OverallMessage, Malformed> {
  return parsed(() => {
    const message = new Fields(body, "message");
    const overall = totalsOf(message.at("overall")) ?? totalsMissing();
    if (message.word("type", ["snapshot", "progress"]) === "snapshot")
      return { type: "snapshot", galleries: message.listOrEmpty("galleries", galleryRowOf), overall };
    const totals = totalsOf(message.at("totals")) ?? totalsMissing();
    return { type: "progress", galleryId: message.text("gallery_id"), totals, overall };
  });
}

function totalsMissing(): never {
  throw new NotAsAgreed("message.totals");
}

function snapshotOf(message: Fields): SocketMessage {
  return {
    type: "snapshot",
    version: message.number("version"),
    gallery: galleryRowOf(message.at("gallery")),
    totals: totalsOf(message.at("totals")),
  };
}

// What is sent.

export type JsonObject = Readonly<Record<string, unknown>>;

export type DeclaredFile = {
  readonly clientId: string;
  readonly name: string;
  readonly fileBytes: number;
  readonly type: string;
  readonly lastModifiedMs: number;
  readonly relativePath: string;
  readonly allowDuplicate: boolean;
};

export function declaredFileBody(file: DeclaredFile): JsonObject {
  return {
    client_id: file.clientId,
    name: file.name,
    size: file.fileBytes,
    type: file.type,
    last_modified: Math.trunc(file.lastModifiedMs),
    relative_path: file.relativePath,
    ...(file.allowDuplicate ? { allow_duplicate: true } : {}),
  };
}

/** `crc32` for a file that goes up whole, `parts` for one that goes up in parts. */
export type SignItem = {
  readonly id: string;
  readonly afterFailure: boolean;
  readonly crc32: string | null;
  readonly parts: readonly { readonly number: number; readonly crc32: string }[];
};

export function signItemBody(item: SignItem): JsonObject {
  return {
    id: item.id,
    ...(item.crc32 === null ? {} : { crc32: item.crc32 }),
    ...(item.afterFailure ? { after_failure: true } : {}),
    ...(item.parts.length === 0 ? {} : { parts: item.parts }),
  };
}

export type CompleteItem = { readonly id: string; readonly crc32: string | null };

export function completeItemBody(item: CompleteItem): JsonObject {
  return item.crc32 === null ? { id: item.id } : { id: item.id, crc32: item.crc32 };
}

/** `[id, bytes stored, parts stored]`: what the store answered 2xx. */
export type ProgressReport = readonly [uploadId: string, storedBytes: number, storedPartCount: number];
