import type { Failure } from "../domain/failure.ts";
import { retryAfterMs } from "../domain/retry.ts";
import {
  type CompleteItem,
  completeItemBody,
  type DeclaredFile,
  declaredFileBody,
  type GalleryRow,
  type Malformed,
  type PhotoPage,
  type ProgressReport,
  parseError,
  parseGallery,
  parsePhotoPage,
  parseSession,
  parseSidecar,
  parseSidecarPage,
  parseStored,
  parseUploadPage,
  type Session,
  type SidecarPage,
  type SidecarRow,
  type SignItem,
  type StoredBytes,
  signItemBody,
  type UploadPage,
  type UploadRow,
} from "../domain/wire.ts";
import type { Clock } from "../kernel/clock.ts";
import { failedWith, type Result, succeeded } from "../kernel/result.ts";
import { SECOND_MS } from "../kernel/units.ts";

/** Why a call brought no answer that can be used. */
export type ApiFailure =
  /** Nothing came back, or something that is not our server (a hotel's sign-in page). */
  | { readonly kind: "network" }
  /** The server asks for time. */
  | { readonly kind: "busy"; readonly retryAfterMs: number | null }
  | { readonly kind: "sign_in" }
  /** The server failed at this very call. */
  | { readonly kind: "broken" }
  | { readonly kind: "refused"; readonly failure: Failure };

export type ApiResult<Value> = Result<Value, ApiFailure>;

export type StoredUpload = { readonly row: UploadRow; readonly stored: StoredBytes | null };

/** What the engine asks of the server; every call is safe to repeat. */
export interface UploadApi {
  session(withinMs?: number): Promise<ApiResult<Session>>;
  register(galleryId: string, files: readonly DeclaredFile[]): Promise<ApiResult<readonly UploadRow[]>>;
  sign(items: readonly SignItem[]): Promise<ApiResult<readonly UploadRow[]>>;
  complete(items: readonly CompleteItem[]): Promise<ApiResult<readonly UploadRow[]>>;
  cancel(ids: readonly string[]): Promise<ApiResult<readonly UploadRow[]>>;
  retry(ids: readonly string[]): Promise<ApiResult<readonly UploadRow[]>>;
  stored(id: string): Promise<ApiResult<StoredUpload>>;
  listUploads(galleryId: string, cursor: string | null): Promise<ApiResult<UploadPage>>;
  listPhotos(
    galleryId: string,
    status: "ready" | "staged",
    cursor: string | null,
  ): Promise<ApiResult<PhotoPage>>;
  /** Keeps an editor's notes (XMP) beside the photo of this upload. */
  attach(uploadId: string, name: string, text: string): Promise<ApiResult<SidecarRow>>;
  listSidecars(galleryId: string, cursor: string | null): Promise<ApiResult<SidecarPage>>;
  gallery(galleryId: string): Promise<ApiResult<GalleryRow>>;
  report(galleryId: string, reports: readonly ProgressReport[]): Promise<ApiResult<null>>;
  /** Whatever is being asked ends at once, as if the network were gone. */
  hangUp(): void;
}

type Ports = {
  readonly baseUrl: string;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  /** In whose name things are asked; null where that is whoever signs in first. */
  readonly userId: string | null;
};
type Call = { readonly method: "GET" | "POST"; readonly path: string; readonly body?: unknown };

const ANSWER_TIMEOUT_MS = 30 * SECOND_MS;
const LIST_PAGE_ITEMS = 1000;
const BUSY_STATUSES: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

/** The API over fetch, with the session's cookie and the CSRF token that a Worker cannot read from it. */
export class HttpUploadApi implements UploadApi {
  readonly #ports: Ports;
  readonly #asking = new Set<AbortController>();
  #csrfToken: string | null = null;
  #userId: string | null;

  constructor(ports: Ports) {
    this.#ports = ports;
    this.#userId = ports.userId;
  }

  async session(withinMs = ANSWER_TIMEOUT_MS): Promise<ApiResult<Session>> {
    const call: Call = { method: "GET", path: "/api/session" };
    const answer = understood(await this.#send(call, withinMs), parseSession);
    if (answer.ok && this.#isOurs(answer.value)) this.#csrfToken = answer.value.csrfToken;
    return answer;
  }

  register(galleryId: string, files: readonly DeclaredFile[]): Promise<ApiResult<readonly UploadRow[]>> {
    const body = { files: files.map(declaredFileBody), sign: false };
    return this.#bulk(`/api/galleries/${galleryId}/uploads/batch`, body);
  }

  sign(items: readonly SignItem[]): Promise<ApiResult<readonly UploadRow[]>> {
    return this.#bulk("/api/uploads/sign", { uploads: items.map(signItemBody) });
  }

  complete(items: readonly CompleteItem[]): Promise<ApiResult<readonly UploadRow[]>> {
    return this.#bulk("/api/uploads/complete", { uploads: items.map(completeItemBody) });
  }

  cancel(ids: readonly string[]): Promise<ApiResult<readonly UploadRow[]>> {
    return this.#bulk("/api/uploads/cancel", { ids });
  }

  retry(ids: readonly string[]): Promise<ApiResult<readonly UploadRow[]>> {
    return this.#bulk("/api/uploads/retry", { ids });
  }

  async stored(id: string): Promise<ApiResult<StoredUpload>> {
    return understood(await this.#send({ method: "GET", path: `/api/uploads/${id}` }), parseStored);
  }

  async listUploads(galleryId: string, cursor: string | null): Promise<ApiResult<UploadPage>> {
    const path = `/api/galleries/${galleryId}/uploads?${pageQuery(cursor)}`;
    return understood(await this.#send({ method: "GET", path }), parseUploadPage);
  }

  async listPhotos(
    galleryId: string,
    status: "ready" | "staged",
    cursor: string | null,
  ): Promise<ApiResult<PhotoPage>> {
    const query = pageQuery(cursor);
    if (status !== "ready") query.set("status", status);
    const path = `/api/galleries/${galleryId}/photos?${query}`;
    return understood(await this.#send({ method: "GET", path }), parsePhotoPage);
  }

  async attach(uploadId: string, name: string, text: string): Promise<ApiResult<SidecarRow>> {
    return understood(await this.#post(`/api/uploads/${uploadId}/sidecars`, { name, text }), parseSidecar);
  }

  async listSidecars(galleryId: string, cursor: string | null): Promise<ApiResult<SidecarPage>> {
    const path = `/api/galleries/${galleryId}/sidecars?${pageQuery(cursor)}`;
    return understood(await this.#send({ method: "GET", path }), parseSidecarPage);
  }

  async gallery(galleryId: string): Promise<ApiResult<GalleryRow>> {
    return understood(await this.#send({ method: "GET", path: `/api/galleries/${galleryId}` }), parseGallery);
  }

  async report(galleryId: string, reports: readonly ProgressReport[]): Promise<ApiResult<null>> {
    const answer = await this.#post(`/api/galleries/${galleryId}/progress`, { uploads: reports });
    return answer.ok ? succeeded(null) : answer;
  }

  hangUp(): void {
    for (const controller of this.#asking) controller.abort();
  }

  async #bulk(path: string, body: unknown): Promise<ApiResult<readonly UploadRow[]>> {
    const answer = understood(await this.#post(path, body), parseUploadPage);
    return answer.ok ? succeeded(answer.value.uploads) : answer;
  }

  /** A token that is out of date is fetched once and the call repeated once, but not in another person's name. */
  async #post(path: string, body: unknown): Promise<ApiResult<unknown>> {
    const first = this.#csrfToken === null ? null : await this.#send({ method: "POST", path, body });
    if (first !== null && !isCsrfRefusal(first)) return first;
    const session = await this.session();
    if (!session.ok) return session;
    if (!this.#isOurs(session.value)) return failedWith({ kind: "sign_in" });
    return await this.#send({ method: "POST", path, body });
  }

  /** Another person's token is never used: without it no call is made in their name. */
  #isOurs({ userId }: Session): boolean {
    this.#userId ??= userId;
    return userId === this.#userId;
  }

  async #send(call: Call, withinMs = ANSWER_TIMEOUT_MS): Promise<ApiResult<unknown>> {
    const controller = new AbortController();
    const cancelTimeout = this.#ports.clock.after(withinMs, () => controller.abort());
    this.#asking.add(controller);
    try {
      const response = await this.#ports.fetch(
        new URL(call.path, this.#ports.baseUrl),
        this.#init(call, controller.signal),
      );
      return await answerOf(response);
    } catch {
      // fetch tells nothing of why: no route, no name, a timeout and a closed lid all look alike.
      return failedWith({ kind: "network" });
    } finally {
      this.#asking.delete(controller);
      cancelTimeout();
    }
  }

  #init(call: Call, signal: AbortSignal): RequestInit {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (call.method === "GET")
      return { method: "GET", headers, signal, credentials: "same-origin", cache: "no-store" };
    headers["Content-Type"] = "application/json";
    headers["X-CSRFToken"] = this.#csrfToken ?? "";
    return { method: "POST", headers, signal, credentials: "same-origin", body: JSON.stringify(call.body) };
  }
}

function pageQuery(cursor: string | null): URLSearchParams {
  const query = new URLSearchParams({ limit: String(LIST_PAGE_ITEMS) });
  if (cursor !== null) query.set("cursor", cursor);
  return query;
}

function isCsrfRefusal(result: ApiResult<unknown>): boolean {
  return !result.ok && result.failure.kind === "refused" && result.failure.failure.code === "csrf_failed";
}

async function answerOf(response: Response): Promise<ApiResult<unknown>> {
  const body = await jsonOf(response);
  if (response.ok) {
    const isEmpty = response.status === 202 || response.status === 204;
    return body === undefined && !isEmpty ? failedWith({ kind: "network" }) : succeeded(body);
  }
  return failedWith(refusalOf(response, parseError(body)));
}

function refusalOf(response: Response, failure: Failure | null): ApiFailure {
  if (response.status === 401) return { kind: "sign_in" };
  if (BUSY_STATUSES.has(response.status)) {
    return { kind: "busy", retryAfterMs: retryAfterMs(response.headers.get("Retry-After"), Date.now()) };
  }
  if (failure !== null && response.status < 500) return { kind: "refused", failure };
  return { kind: "broken" };
}

/** Undefined where the body is not JSON. */
async function jsonOf(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function understood<Value>(
  answer: ApiResult<unknown>,
  parse: (body: unknown) => Result<Value, Malformed>,
): ApiResult<Value> {
  if (!answer.ok) return answer;
  const meaning = parse(answer.value);
  return meaning.ok ? succeeded(meaning.value) : failedWith({ kind: "broken" });
}
