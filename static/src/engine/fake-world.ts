// For tests alone: a server, a storage, a worker and a network in memory, as far as the contract describes them,
// with every fault the engine must outlive. Time moves only when nothing else does.
import { crc32, crc32Hex } from "../domain/crc32.ts";
import { planParts, rangeOfPart } from "../domain/part-plan.ts";
import type { Network } from "../io/network.ts";
import { type PutOutcome, type PutPart, STALL_MS } from "../io/part-put.ts";
import type { SocketHandlers } from "../io/progress-socket.ts";
import { HttpUploadApi } from "../io/upload-api.ts";
import { ManualClock } from "../kernel/clock.ts";
import { Engine, type EnginePorts } from "./engine.ts";
import { Memory } from "./memory.ts";
import type { ChosenFile, EngineReport, EngineRequest, GalleryTally, RowView } from "./port.ts";
import type { Report } from "./reporter.ts";

export const BASE_URL = "https://photos.test";
export const STORE_URL = "https://store.test";
export const GALLERY_ID = "11111111-1111-4111-8111-111111111111";

/** Any JSON object; the fields that are read here by name. */
export type Json = {
  readonly allow_duplicate?: unknown;
  readonly type?: unknown;
  readonly after_failure?: unknown;
  readonly client_id?: unknown;
  readonly crc32?: unknown;
  readonly files?: unknown;
  readonly id?: unknown;
  readonly ids?: unknown;
  readonly name?: unknown;
  readonly number?: unknown;
  readonly parts?: unknown;
  readonly size?: unknown;
  readonly uploads?: unknown;
  readonly [field: string]: unknown;
};
type RowState =
  | "registered"
  | "signed"
  | "uploaded"
  | "verifying"
  | "verified"
  | "failed"
  | "cancelled"
  | "expired";

export type ServerRow = {
  id: string;
  clientId: string;
  name: string;
  size: number;
  state: RowState;
  version: number;
  attempt: number;
  code: string | null;
  crc: string | null;
  partBytes: number;
};

type StoredObject = {
  bytes: Uint8Array | null;
  readonly parts: Map<number, Uint8Array>;
  session: Uint8Array;
};

/** What may happen to one request. `lost` never arrives, `unheard` arrives and its answer does not. */
export type Fault =
  | "none"
  | "lost"
  | "unheard"
  | "server_error"
  | "busy"
  | "too_many"
  | "signed_out"
  | "forbidden"
  | "deleted";

/** Without CORS headers a refusal cannot be read, nor told from a dead network. */
const UNREADABLE: PutOutcome = { kind: "failed", status: 0 };

const REFUSED_PUTS: Readonly<Record<Exclude<Fault, "none" | "unheard">, PutOutcome>> = {
  lost: UNREADABLE,
  server_error: { kind: "failed", status: 500 },
  busy: { kind: "throttled", retryAfterMs: 2000 },
  too_many: { kind: "throttled", retryAfterMs: 7000 },
  signed_out: { kind: "failed", status: 401 },
  forbidden: { kind: "failed", status: 403 },
  deleted: { kind: "failed", status: 410 },
};

/** A tab: once it is over, nothing that it does is heard any more, nor heard by it. */
export type Life = { isOver: boolean };

export type WorldOptions = {
  /** Where the bytes go; the page's own origin stands for the local store. */
  readonly storeUrl?: string;
  readonly hasSocket?: boolean;
  readonly random?: () => number;
  /** A store that takes no parts: what is larger than one goes by a resumable session. */
  readonly isResumable?: boolean;
};

/** Milliseconds of the world's time that pass before a test gives up. */
const PATIENCE_MS = 40 * 60 * 1000;

export class FakeWorld {
  readonly clock = new ManualClock();
  readonly rows = new Map<string, ServerRow>();
  readonly objects = new Map<string, StoredObject>();
  readonly calls: { readonly path: string; readonly body: Json }[] = [];
  readonly puts: { readonly url: string; readonly bytes: number }[] = [];
  readonly reports: EngineReport[] = [];
  /** Of the sum of all galleries, whenever it was known. */
  readonly secondsLeftTold: { readonly atMs: number; readonly secondsLeft: number }[] = [];
  /** Who is told; `reports` has all, whoever it was. */
  onReport: Report = () => {};
  readonly sockets: { readonly url: string; readonly handlers: SocketHandlers }[] = [];
  /** One after another; the last one stays. */
  onCall: (path: string) => Fault = () => "none";
  onPut: (url: string) => Fault = () => "none";
  /** The code a verification ends with, or null where the bytes decide. */
  verdict: (row: ServerRow) => string | null = () => null;
  /** What is kept beside an upload: its id and the name of the notes -> their text. */
  readonly sidecars = new Map<string, string>();
  /** The code with which notes are refused, or null. */
  sidecarRefusal: (name: string) => string | null = () => null;
  refusal: (file: Json) => Json | null = () => null;
  passSocket: (message: Json) => readonly Json[] = (message) => [message];
  hasWorker = true;
  hasSocket: boolean;
  autoPublish = true;
  galleryVersion = 1;
  csrfToken = "token-1";
  userId: string | null = "owner";
  maxInFlight: Record<string, number> = {};
  peakBufferedBytes = 0;
  peakBodyCount = 0;
  /** Bodies that were on their way when the engine let go of them. */
  abortedPutCount = 0;
  isOnline = true;
  /** How long a body is on its way. */
  onPutMs = 50;
  /** Whatever is sent or asked now is never answered, even if the network comes back; only who gives up is free. */
  isBlackHole = false;
  engine: Engine;
  /** So much of a chunk is kept; the rest is lost on its way, and 308 says so. */
  keepOfChunk: (bytes: number) => number = (bytes) => bytes;
  readonly #isResumable: boolean;
  readonly #storeUrl: string;
  readonly #random: () => number;
  readonly #inFlight: Record<string, number> = {};
  #bufferedBytes = 0;
  #bodyCount = 0;
  #nextId = 0;
  #life: Life = { isOver: false };
  #onlineRuns: (() => void)[] = [];
  #offlineRuns: (() => void)[] = [];

  constructor(options: WorldOptions = {}) {
    this.#storeUrl = options.storeUrl ?? STORE_URL;
    this.hasSocket = options.hasSocket ?? true;
    this.#isResumable = options.isResumable ?? false;
    this.#random = options.random ?? (() => 0.5);
    this.engine = this.startEngine();
  }

  /** A new Worker on the same server, as after a reload of the page. */
  startEngine(changes: Partial<EnginePorts> = {}, life: Life = this.#nextLife()): Engine {
    const { clock } = this;
    this.engine = new Engine({
      api: new HttpUploadApi({
        baseUrl: BASE_URL,
        clock,
        userId: changes.userId ?? null,
        fetch: (...call) => whileAlive(life, () => this.#fetch(...call)),
      }),
      baseUrl: BASE_URL,
      clock,
      memory: new Memory({ clock, open: () => Promise.resolve(null), room: () => Promise.resolve(null) }),
      network: this.#network(),
      openSocket: (url, handlers) => this.#openSocket(url, handlers),
      put: (...call) => whileAlive(life, () => this.#put(life, ...call)),
      random: this.#random,
      userId: null,
      report: (report, to) => {
        if (life.isOver) return;
        this.reports.push(report);
        this.#noteSecondsLeft(report);
        this.onReport(report, to);
      },
      ...changes,
    });
    return this.engine;
  }

  /** The Worker before asks nothing any more. */
  #nextLife(): Life {
    this.#life.isOver = true;
    this.#life = { isOver: false };
    return this.#life;
  }

  #noteSecondsLeft(report: EngineReport): void {
    const secondsLeft = report.type === "tally" ? (report.total?.secondsLeft ?? null) : null;
    if (secondsLeft !== null) this.secondsLeftTold.push({ atMs: this.clock.nowMs(), secondsLeft });
  }

  // What tests do and see.

  send(request: Exclude<EngineRequest, { type: "hello" }>): void {
    this.engine.handle(request, "page");
  }

  add(files: readonly ChosenFile[], galleryId = GALLERY_ID): void {
    this.send({ type: "add", galleryId, title: "Wedding", files });
  }

  goOffline(): void {
    this.isOnline = false;
    for (const run of this.#offlineRuns) run();
  }

  goOnline(): void {
    this.isOnline = true;
    for (const run of this.#onlineRuns) run();
  }

  /** The last of all tallies, whatever it is about. */
  lastTold(): EngineReport | undefined {
    return this.reports.filter(({ type }) => type === "tally").at(-1);
  }

  tally(galleryId = GALLERY_ID): GalleryTally {
    for (let index = this.reports.length - 1; index >= 0; index -= 1) {
      const report = this.reports[index];
      const found =
        report?.type === "tally" ? report.galleries.find((one) => one.galleryId === galleryId) : undefined;
      if (found !== undefined) return found;
    }
    throw new Error("nothing was told of this gallery");
  }

  rowViews(galleryId = GALLERY_ID): readonly RowView[] {
    this.send({ type: "rows", galleryId, fromIndex: 0, count: 10_000 });
    const last = this.reports.at(-1);
    return last?.type === "rows" ? last.rows : [];
  }

  callsTo(ending: string): Json[] {
    return this.calls.filter(({ path }) => path.split("?")[0]?.endsWith(ending)).map(({ body }) => body);
  }

  /** Whether the store has the very bytes of this file. */
  hasStored(file: FakeFile): boolean {
    const row = this.rowNamed(file.name);
    const bytes = row === null ? null : this.#object(row).bytes;
    return (
      bytes !== null &&
      bytes.length === file.size &&
      bytes.every((byte, index) => byte === file.content[index])
    );
  }

  rowNamed(name: string): ServerRow | null {
    return [...this.rows.values()].find((row) => row.name === name) ?? null;
  }

  /** Lets promises and then time run until `isTrue`; a world where it never becomes true fails the test. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      await this.turn();
      if (isTrue()) return;
      const stepMs = this.clock.untilNextMs();
      if (stepMs === null || this.clock.nowMs() > PATIENCE_MS) {
        throw new Error(`it never became true; the page was told ${JSON.stringify(this.reports.at(-1))}`);
      }
      this.clock.advance(stepMs);
    }
  }

  async untilComplete(galleryId = GALLERY_ID): Promise<GalleryTally> {
    await this.until(() => this.hasTally(galleryId) && this.tally(galleryId).phase === "complete");
    return this.tally(galleryId);
  }

  hasTally(galleryId = GALLERY_ID): boolean {
    return this.reports.some(
      (report) => report.type === "tally" && report.galleries.some((one) => one.galleryId === galleryId),
    );
  }

  async pass(spanMs: number): Promise<void> {
    const endMs = this.clock.nowMs() + spanMs;
    for (;;) {
      await this.turn();
      const stepMs = this.clock.untilNextMs();
      if (stepMs === null || this.clock.nowMs() + stepMs > endMs) break;
      this.clock.advance(stepMs);
    }
    this.clock.advance(endMs - this.clock.nowMs());
    await this.turn();
  }

  /** Everything that can go on without time passing. */
  async turn(): Promise<void> {
    for (let tick = 0; tick < 4; tick += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  // The network.

  #network(): Network {
    return {
      isOnline: () => this.isOnline,
      onOnline: (run) => this.#onlineRuns.push(run),
      onOffline: (run) => this.#offlineRuns.push(run),
    };
  }

  #enter(origin: string): void {
    const count = (this.#inFlight[origin] ?? 0) + 1;
    this.#inFlight[origin] = count;
    this.maxInFlight[origin] = Math.max(this.maxInFlight[origin] ?? 0, count);
  }

  #leave(origin: string): void {
    this.#inFlight[origin] = (this.#inFlight[origin] ?? 0) - 1;
  }

  #later(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(delayMs, resolve);
    });
  }

  readonly #fetch = async (input: unknown, init?: RequestInit): Promise<Response> => {
    const url = new URL(String(input));
    const body = typeof init?.body === "string" ? (JSON.parse(init.body) as Json) : {};
    this.#enter(url.origin);
    try {
      await this.#later(20);
      if (this.isBlackHole) await neverUnless(init?.signal ?? null);
      if (!this.isOnline) throw new TypeError("Failed to fetch");
      this.calls.push({ path: url.pathname + url.search, body });
      return this.#answer(url, init ?? {}, body);
    } finally {
      this.#leave(url.origin);
    }
  };

  #answer(url: URL, init: RequestInit, body: Json): Response {
    const fault = this.onCall(url.pathname);
    if (fault === "lost") throw new TypeError("Failed to fetch");
    if (fault === "server_error") return new Response("<h1>500</h1>", { status: 500 });
    if (fault === "busy") return new Response("", { status: 503, headers: { "Retry-After": "2" } });
    if (fault === "too_many") return new Response("", { status: 429, headers: { "Retry-After": "7" } });
    if (fault === "signed_out") return refuse(401, "sign_in_required");
    if (fault === "forbidden") return refuse(403, "forbidden");
    if (fault === "deleted") return refuse(410, "gallery_deleted");
    const answer = this.#route(url, init, body);
    if (fault === "unheard") throw new TypeError("Failed to fetch");
    return answer;
  }

  #route(url: URL, init: RequestInit, body: Json): Response {
    const { pathname } = url;
    if (pathname === "/api/session") return this.#session();
    if (this.userId === null) return refuse(401, "sign_in_required");
    if (init.method !== "POST") return this.#read(url);
    const token = (init.headers as Record<string, string>)["X-CSRFToken"];
    return token === this.csrfToken ? this.#write(pathname, body) : refuse(403, "csrf_failed");
  }

  #read(url: URL): Response {
    const [, uploadId] = /^\/api\/uploads\/(.+)$/.exec(url.pathname) ?? [];
    if (uploadId !== undefined) return this.#stored(uploadId);
    if (url.pathname.endsWith("/sidecars")) return this.#allSidecars();
    return url.pathname.endsWith("/uploads") ? this.#list(url) : Response.json(this.#gallery());
  }

  #write(pathname: string, body: Json): Response {
    switch (pathname.slice(pathname.lastIndexOf("/") + 1)) {
      case "batch":
        return this.#batch(body);
      case "sign":
        return this.#bulk(body.uploads, (item) => this.#sign(item));
      case "complete":
        return this.#bulk(body.uploads, (item) => this.#complete(item), 202);
      case "cancel":
        return this.#bulk(asItems(body.ids), (item) => this.#cancel(item));
      case "retry":
        return this.#bulk(asItems(body.ids), (item) => this.#retry(item));
      case "sidecars":
        return this.#attach(pathname.split("/")[3] ?? "", body);
      default:
        return Response.json({}, { status: 202 });
    }
  }

  #session(): Response {
    const user = this.userId === null ? null : { id: this.userId, name: "Owner" };
    return Response.json({ user, csrf_token: this.csrfToken });
  }

  // The server.

  #batch(body: Json): Response {
    const files = body.files as Json[];
    if (files.length > 100) return refuse(413, "batch_too_large");
    return Response.json({ uploads: files.map((file) => this.#register(file)) });
  }

  #register(file: Json): Json {
    const clientId = String(file.client_id);
    const error = this.refusal(file);
    if (error !== null) {
      return {
        id: null,
        client_id: clientId,
        name: file.name,
        size: file.size,
        state: "refused",
        version: 0,
        error,
        photo_id: null,
      };
    }
    const known = [...this.rows.values()].find((row) => row.clientId === clientId);
    const row = known ?? this.#newRow(clientId, file);
    if (row.state === "failed" || row.state === "cancelled" || row.state === "expired") {
      row.attempt += 1;
      row.crc = null;
      row.code = null;
      this.move(row, "registered");
    }
    return this.rowJson(row);
  }

  #newRow(clientId: string, file: Json): ServerRow {
    this.#nextId += 1;
    const size = Number(file.size);
    const row: ServerRow = {
      id: `00000000-0000-4000-8000-${String(this.#nextId).padStart(12, "0")}`,
      clientId,
      name: String(file.name),
      size,
      state: "registered",
      version: 1,
      attempt: 1,
      code: null,
      crc: null,
      partBytes: planParts(size).partBytes,
    };
    this.rows.set(row.id, row);
    return row;
  }

  #bulk(items: unknown, answer: (item: Json) => Json, status = 200): Response {
    const list = items as Json[];
    if (list.length > 100) return refuse(413, "batch_too_large");
    return Response.json({ uploads: list.map(answer) }, { status });
  }

  #row(item: Json): ServerRow | null {
    return this.rows.get(String(item.id)) ?? null;
  }

  #sign(item: Json): Json {
    const row = this.#row(item);
    if (row === null) return notFound(item);
    if (row.state === "registered") this.move(row, "signed");
    if (row.state !== "signed") return this.rowJson(row);
    if (row.size <= row.partBytes) return this.#signPut(row, item);
    return this.#isResumable ? this.#signSession(row) : this.#signParts(row, item);
  }

  #signSession(row: ServerRow): Json {
    const { session, bytes } = this.#object(row);
    if (bytes !== null) {
      this.#arrive(row);
      return this.rowJson(row);
    }
    const url = `${this.#storeUrl}/session?id=${row.id}&attempt=${row.attempt}`;
    const transfer = {
      lane: "resumable",
      session_uri: url,
      chunk_size: row.partBytes,
      offset: session.length,
    };
    return { ...this.rowJson(row), transfer };
  }

  /** The store forgets what was sent to a session, as after a week. */
  loseSession(file: FakeFile): void {
    const row = this.rowNamed(file.name);
    if (row !== null) this.#object(row).session = new Uint8Array();
  }

  #signPut(row: ServerRow, item: Json): Json {
    if (item.after_failure === true && this.#object(row).bytes?.length === row.size) {
      this.#arrive(row);
      return this.rowJson(row);
    }
    const crc = String(item.crc32 ?? row.crc);
    if (row.crc !== null && row.crc !== crc)
      return { ...this.rowJson(row), error: error("checksum_conflict", false) };
    row.crc = crc;
    const transfer = { lane: "put", request: this.#request(row, 0, crc), expires_in_s: 900 };
    return { ...this.rowJson(row), transfer };
  }

  #signParts(row: ServerRow, item: Json): Json {
    const plan = {
      ...planParts(row.size),
      partBytes: row.partBytes,
      partCount: Math.ceil(row.size / row.partBytes),
    };
    const { parts } = this.#object(row);
    const asked = (item.parts ?? []) as Json[];
    const signed = asked
      .map((part) => ({ number: Number(part.number), crc: String(part.crc32) }))
      .filter(({ number }) => number <= plan.partCount && !parts.has(number))
      .map(({ number, crc }) => {
        const { offset, bytes } = rangeOfPart(plan, number);
        return { number, offset, size: bytes, request: this.#request(row, number, crc) };
      });
    const stored = [...parts.keys()];
    if (stored.length === plan.partCount) {
      this.#arrive(row);
      return this.rowJson(row);
    }
    const transfer = {
      lane: "multipart",
      part_size: row.partBytes,
      size: row.size,
      parts: signed,
      stored,
      expires_in_s: 900,
    };
    return { ...this.rowJson(row), transfer };
  }

  #request(row: ServerRow, number: number, crc: string): Json {
    const expiresMs = this.clock.nowMs() + 900_000;
    const url = `${this.#storeUrl}/put?id=${row.id}&attempt=${row.attempt}&part=${number}&crc=${crc}&until=${expiresMs}`;
    return { method: "PUT", url, headers: { "x-amz-checksum-crc32": crc } };
  }

  #complete(item: Json): Json {
    const row = this.#row(item);
    if (row === null) return notFound(item);
    if (row.state === "signed") this.#arrive(row);
    if (typeof item.crc32 === "string") row.crc = item.crc32;
    return this.rowJson(row);
  }

  #cancel(item: Json): Json {
    const row = this.#row(item);
    if (row === null) return notFound(item);
    if (row.state === "verified") return { ...this.rowJson(row), error: error("too_late", false) };
    if (row.state !== "cancelled") this.move(row, "cancelled");
    return this.rowJson(row);
  }

  #retry(item: Json): Json {
    const row = this.#row(item);
    if (row === null) return notFound(item);
    if (row.state === "failed") {
      row.attempt += 1;
      row.code = null;
      this.move(row, "signed");
    }
    return this.rowJson(row);
  }

  #attach(uploadId: string, { name, text }: Json): Response {
    const row = this.rows.get(uploadId);
    const hasEnded = row === undefined || ["failed", "cancelled", "expired"].includes(row.state);
    const isCopy = row?.code === "duplicate";
    const code = this.sidecarRefusal(String(name)) ?? (hasEnded && !isCopy ? "wrong_state" : null);
    if (code !== null) return refuse(409, code);
    const keptBy = isCopy ? "the-photo-that-was-there" : uploadId;
    this.sidecars.set(`${keptBy}/${name}`, String(text));
    return Response.json(this.#sidecarJson(keptBy, String(name)), { status: 201 });
  }

  #sidecarJson(uploadId: string, name: string): Json {
    const bytes = new TextEncoder().encode(this.sidecars.get(`${uploadId}/${name}`));
    const sums = { crc32: crc32Hex(crc32(bytes)), sha256: `sha256 of ${name}` };
    return { id: `${uploadId}/${name}`, upload_id: uploadId, name, size: bytes.length, ...sums };
  }

  #allSidecars(): Response {
    const sidecars = [...this.sidecars.keys()].map((key) => {
      const [uploadId = "", name = ""] = key.split("/");
      return this.#sidecarJson(uploadId, name);
    });
    return Response.json({ sidecars, next_cursor: null });
  }

  #stored(id: string): Response {
    const row = this.rows.get(id);
    if (row === undefined) return refuse(404, "not_found");
    const { parts, bytes, session } = this.#object(row);
    const list = Array.from(parts, ([number, part]) => ({ number, size: part.length }));
    const stored = {
      status: bytes === null ? "in_progress" : "complete",
      bytes: session.length,
      parts: list,
    };
    return Response.json({ ...this.rowJson(row), stored });
  }

  #list(url: URL): Response {
    const all = [...this.rows.values()];
    const first = Number(url.searchParams.get("cursor") ?? 0);
    const uploads = all.slice(first, first + 1000).map((row) => this.rowJson(row));
    const next = first + 1000 < all.length ? String(first + 1000) : null;
    return Response.json({ uploads, next_cursor: next, version: this.galleryVersion });
  }

  #gallery(): Json {
    return {
      id: GALLERY_ID,
      title: "Wedding",
      state: "receiving",
      version: this.galleryVersion,
      auto_publish: this.autoPublish,
      url: "/",
    };
  }

  rowJson(row: ServerRow): Json {
    return {
      id: row.id,
      client_id: row.clientId,
      name: row.name,
      size: row.size,
      state: row.state,
      version: row.version,
      error: row.code === null ? null : error(row.code, true),
      photo_id: row.state === "verified" ? `photo-of-${row.id}` : null,
    };
  }

  move(row: ServerRow, state: RowState): void {
    row.state = state;
    row.version += 1;
    const previous = this.galleryVersion;
    this.galleryVersion += 1;
    this.broadcast({ type: "uploads", previous, version: this.galleryVersion, uploads: [this.rowJson(row)] });
  }

  #arrive(row: ServerRow): void {
    this.move(row, "uploaded");
    this.clock.after(300, () => this.#verify(row, row.attempt));
  }

  #verify(row: ServerRow, attempt: number): void {
    if (!this.hasWorker) {
      this.clock.after(1000, () => this.#verify(row, attempt));
      return;
    }
    if (row.state !== "uploaded" || row.attempt !== attempt) return;
    const object = this.#object(row);
    assemble(object, row);
    row.code = this.verdict(row) ?? wrongWith(object, row);
    this.move(row, row.code === null ? "verified" : "failed");
  }

  #object(row: ServerRow): StoredObject {
    return this.#objectAt(`${row.id}/${row.attempt}`);
  }

  #objectAt(key: string): StoredObject {
    let found = this.objects.get(key);
    if (found === undefined) {
      found = { bytes: null, parts: new Map(), session: new Uint8Array() };
      this.objects.set(key, found);
    }
    return found;
  }

  // The storage.

  /** What is on its way when its browser dies never arrives. */
  async #put(life: Life, ...[request, body, watch]: Parameters<PutPart>): Promise<PutOutcome> {
    const url = new URL(request.url);
    this.#enter(url.origin);
    this.#bufferedBytes += body.size;
    this.peakBufferedBytes = Math.max(this.peakBufferedBytes, this.#bufferedBytes);
    this.#bodyCount += 1;
    this.peakBodyCount = Math.max(this.peakBodyCount, this.#bodyCount);
    try {
      const bytes = await taken(body);
      if (bytes === null) return REFUSED_PUTS.lost;
      watch.onMoved(Math.floor(body.size / 2));
      await this.#laterOr(this.onPutMs, watch.signal);
      if (this.isBlackHole && (await this.#isSwallowed(watch.signal))) return { kind: "stalled" };
      if (watch.signal.aborted) {
        this.abortedPutCount += 1;
        return { kind: "aborted" };
      }
      if (life.isOver) return REFUSED_PUTS.lost;
      watch.onMoved(body.size);
      return this.#receive(url, bytes, request.headers["Content-Range"]);
    } finally {
      this.#leave(url.origin);
      this.#bodyCount -= 1;
      this.#bufferedBytes -= body.size;
    }
  }

  /** The watchdog of a body that does not move; false where it was withdrawn before. */
  async #isSwallowed(signal: AbortSignal): Promise<boolean> {
    await this.#laterOr(STALL_MS, signal);
    return !signal.aborted;
  }

  #laterOr(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(delayMs, resolve);
      signal.addEventListener("abort", () => resolve());
    });
  }

  #receive(url: URL, bytes: Uint8Array, contentRange: string | undefined): PutOutcome {
    const fault = this.isOnline ? this.onPut(url.href) : "lost";
    if (fault !== "none" && fault !== "unheard") return REFUSED_PUTS[fault];
    this.puts.push({ url: url.href, bytes: bytes.length });
    const outcome =
      contentRange === undefined
        ? this.#keep(url.searchParams, bytes)
        : this.#keepChunk(url.searchParams, bytes, contentRange);
    return fault === "none" ? outcome : UNREADABLE;
  }

  #keepChunk(named: URLSearchParams, bytes: Uint8Array, contentRange: string): PutOutcome {
    const [, first, , size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange) ?? [];
    const object = this.#objectAt(`${named.get("id")}/${named.get("attempt")}`);
    if (Number(first) > object.session.length) return UNREADABLE;
    const kept = bytes.subarray(object.session.length - Number(first), this.keepOfChunk(bytes.length));
    const joined = new Uint8Array(object.session.length + kept.length);
    joined.set(object.session);
    joined.set(kept, object.session.length);
    object.session = joined;
    if (joined.length < Number(size)) return { kind: "partial", storedBytes: joined.length };
    object.bytes = joined;
    return { kind: "stored" };
  }

  #keep(signed: URLSearchParams, bytes: Uint8Array): PutOutcome {
    const isExpired = this.clock.nowMs() > Number(signed.get("until"));
    if (isExpired || crc32Hex(crc32(bytes)) !== signed.get("crc")) return UNREADABLE;
    const object = this.#objectAt(`${signed.get("id")}/${signed.get("attempt")}`);
    const part = Number(signed.get("part"));
    if (part === 0 && object.bytes !== null) return UNREADABLE; // If-None-Match: *
    if (part === 0) object.bytes = bytes;
    else object.parts.set(part, bytes);
    return { kind: "stored" };
  }

  // The socket.

  #openSocket(url: string, handlers: SocketHandlers): { send: (text: string) => void; close: () => void } {
    const socket = { url, handlers };
    this.clock.after(10, () => {
      if (!this.hasSocket || !this.isOnline) {
        handlers.onClose();
        return;
      }
      this.sockets.push(socket);
      handlers.onOpen();
      this.#say(socket, {
        type: "snapshot",
        version: this.galleryVersion,
        gallery: this.#gallery(),
        totals: null,
      });
    });
    return {
      send: (text) => this.calls.push({ path: "socket", body: JSON.parse(text) as Json }),
      close: () => this.dropSocket(socket),
    };
  }

  #say(socket: { readonly handlers: SocketHandlers }, message: Json): void {
    for (const passed of this.passSocket(message)) socket.handlers.onText(JSON.stringify(passed));
  }

  broadcast(message: Json): void {
    for (const socket of [...this.sockets]) this.#say(socket, message);
  }

  dropSocket(socket: { readonly url: string; readonly handlers: SocketHandlers }): void {
    const index = this.sockets.indexOf(socket);
    if (index >= 0) this.sockets.splice(index, 1);
  }

  dropAllSockets(): void {
    for (const socket of this.sockets.splice(0)) socket.handlers.onClose();
  }
}

function neverUnless(signal: AbortSignal | null): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
  });
}

async function whileAlive<Answer>(life: Life, ask: () => Promise<Answer>): Promise<Answer> {
  const never = new Promise<Answer>(() => {});
  if (life.isOver) return never;
  const answer = await ask();
  return life.isOver ? never : answer;
}

function asItems(ids: unknown): Json[] {
  return (ids as string[]).map((id) => ({ id }));
}

function error(code: string, retryable: boolean): Json {
  return { code, message: code, retryable };
}

function refuse(status: number, code: string): Response {
  return Response.json({ error: error(code, false) }, { status });
}

function notFound(item: Json): Json {
  return { id: item.id, error: error("not_found", false) };
}

function assemble(object: StoredObject, row: ServerRow): void {
  const partCount = Math.ceil(row.size / row.partBytes);
  if (object.bytes !== null || object.parts.size !== partCount) return;
  const bytes = new Uint8Array(row.size);
  for (const [number, part] of object.parts) bytes.set(part, (number - 1) * row.partBytes);
  object.bytes = bytes;
}

function wrongWith(object: StoredObject, row: ServerRow): string | null {
  if (object.bytes === null) return "object_missing";
  if (object.bytes.length !== row.size) return "size_mismatch";
  return row.crc === null || crc32Hex(crc32(object.bytes)) === row.crc ? null : "checksum_mismatch";
}

// Files.

/** Counts what is read of it; `isGone` makes it unreadable, as a pulled card does. */
export class FakeFile {
  readonly name: string;
  readonly size: number;
  readonly lastModified: number;
  readBytes = 0;
  /** By the browser, for what is sent from where it lies. */
  takenBytes = 0;
  beforeTaken: () => void = () => {};
  isGone = false;
  readonly content: Uint8Array;

  constructor(name: string, content: Uint8Array, lastModified = 1_760_000_000_000) {
    this.name = name;
    this.content = content;
    this.size = content.length;
    this.lastModified = lastModified;
  }

  slice(from: number, to: number): Blob {
    return new FakePiece(this, from, Math.min(to, this.size)) as unknown as Blob;
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.slice(0, this.size).arrayBuffer();
  }

  chosen(relativePath = this.name): ChosenFile {
    return { file: this as unknown as File, relativePath };
  }
}

class FakePiece {
  readonly #file: FakeFile;
  readonly #from: number;
  readonly #to: number;

  constructor(file: FakeFile, from: number, to: number) {
    this.#file = file;
    this.#from = from;
    this.#to = to;
  }

  get size(): number {
    return this.#to - this.#from;
  }

  slice(from: number, to = this.size): Blob {
    return this.#file.slice(this.#from + from, this.#from + to);
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    if (this.#file.isGone) throw new DOMException("gone", "NotReadableError");
    this.#file.readBytes += this.size;
    return this.#content();
  }

  /** Null where the browser finds nothing there. */
  take(): ArrayBuffer | null {
    this.#file.beforeTaken();
    if (this.#file.isGone) return null;
    this.#file.takenBytes += this.size;
    return this.#content();
  }

  #content(): ArrayBuffer {
    return this.#file.content.slice(this.#from, this.#to).buffer as ArrayBuffer;
  }
}

/** As the browser takes a body; null where the disk does not give it. */
async function taken(body: Blob): Promise<Uint8Array | null> {
  const piece: unknown = body instanceof FakeFile ? body.slice(0, body.size) : body;
  const bytes = piece instanceof FakePiece ? piece.take() : await body.arrayBuffer();
  return bytes === null ? null : new Uint8Array(bytes);
}

/** Begins like a JPEG and is different for every seed. */
export function photoBytes(byteCount: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  const words = new Int32Array(bytes.buffer, 0, byteCount >> 2);
  let state = seed + 1;
  for (let index = 0; index < words.length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    words[index] = state;
  }
  bytes.set([0xff, 0xd8, 0xff, 0xe0].slice(0, byteCount));
  return bytes;
}

export function photo(index: number, byteCount = 2000): FakeFile {
  return new FakeFile(`IMG_${String(index).padStart(4, "0")}.JPG`, photoBytes(byteCount, index));
}

export function photos(count: number, byteCount = 2000): FakeFile[] {
  return Array.from({ length: count }, (_, index) => photo(index, byteCount));
}
