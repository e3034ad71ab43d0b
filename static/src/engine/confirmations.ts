import type { Failure } from "../domain/failure.ts";
import { type Feed, type FeedCommand, type FeedEvent, feed, newFeed } from "../domain/feed.ts";
import { MAX_REPORT_ITEMS } from "../domain/limits.ts";
import {
  type GalleryRow,
  type ProgressReport,
  parseSocketMessage,
  type SocketMessage,
  type UploadRow,
} from "../domain/wire.ts";
import { ProgressSocket, type SocketPorts } from "../io/progress-socket.ts";
import type { UploadApi } from "../io/upload-api.ts";
import type { Cancel } from "../kernel/clock.ts";
import { Runner } from "../kernel/machine.ts";
import { SECOND_MS } from "../kernel/units.ts";
import type { Connection } from "./connection.ts";
import { readPages } from "./pages.ts";

export type ConfirmationPorts = SocketPorts & {
  readonly api: Pick<UploadApi, "gallery" | "listUploads" | "report">;
  readonly connection: Connection;
  readonly socketUrl: string;
  readonly galleryId: string;
  readonly onRow: (row: UploadRow) => void;
  readonly onGallery: (gallery: GalleryRow) => void;
  /** Whether files of this gallery wait for the server's word. */
  readonly isAwaiting: () => boolean;
  /** What the page may want to see, as it came. */
  readonly onMessage: (message: SocketMessage) => void;
  readonly onRefusal: (failure: Failure) => void;
};

/** The first of all soon; then as often as the own page is told, for each costs the server some milliseconds. */
const REPORT_AT_ONCE_MS = 250;
const REPORT_EVERY_MS = 500;
const REPORT_BY_POST_EVERY_MS = SECOND_MS;
/** Where no socket gets through, the snapshot is asked for instead. */
const POLL_MS = 3 * SECOND_MS;
/** And where it does, now and then: a lost last message would never be missed otherwise. */
const POLL_BESIDE_SOCKET_MS = 15 * SECOND_MS;

/** What one gallery's server side says, by socket or by asking, and what it is told of the progress here. */
export class Confirmations {
  readonly #ports: ConfirmationPorts;
  readonly #socket: ProgressSocket<SocketMessage>;
  readonly #feed: Runner<Feed, FeedEvent, FeedCommand>;
  readonly #reports = new Map<string, ProgressReport>();
  #isReading = false;
  #isReadAgain = false;
  #isClosed = false;
  #cancelPoll: Cancel = () => {};
  #cancelReport: Cancel | null = null;
  #reportedMs = Number.NEGATIVE_INFINITY;

  constructor(ports: ConfirmationPorts) {
    this.#ports = ports;
    this.#feed = new Runner(feed, newFeed, () => void this.#readList());
    this.#socket = new ProgressSocket(ports.socketUrl, ports, {
      parse: parseSocketMessage,
      onMessage: (message) => this.#take(message),
      onOpen: () => this.#pollLater(),
      onClose: () => this.#pollLater(),
    });
    this.#pollLater();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelPoll();
    this.#cancelReport?.();
    this.#socket.close();
  }

  reopenNow(): void {
    this.#socket.reopenNow();
  }

  /** Absolute numbers: only the last of each upload is worth sending. */
  report(report: ProgressReport): void {
    this.#reports.set(report[0], report);
    const { clock } = this.#ports;
    const everyMs = this.#socket.isOpen ? REPORT_EVERY_MS : REPORT_BY_POST_EVERY_MS;
    const delayMs = Math.max(REPORT_AT_ONCE_MS, this.#reportedMs + everyMs - clock.nowMs());
    this.#cancelReport ??= clock.after(delayMs, () => this.#sendReports());
  }

  #sendReports(): void {
    this.#cancelReport = null;
    this.#reportedMs = this.#ports.clock.nowMs();
    const reports = [...this.#reports.values()];
    this.#reports.clear();
    for (let first = 0; first < reports.length; first += MAX_REPORT_ITEMS) {
      this.#sendReport(reports.slice(first, first + MAX_REPORT_ITEMS));
    }
  }

  #sendReport(reports: readonly ProgressReport[]): void {
    if (this.#socket.report(reports)) return;
    const { api, connection, galleryId } = this.#ports;
    void connection.attempt(() => api.report(galleryId, reports));
  }

  #take(message: SocketMessage): void {
    switch (message.type) {
      case "snapshot":
        this.#ports.onGallery(message.gallery);
        this.#feed.dispatch({ type: "snapshot", version: message.version });
        break;
      case "uploads":
        for (const row of message.uploads) this.#ports.onRow(row);
        this.#feed.dispatch({ type: "change", previous: message.previous, version: message.version });
        break;
      case "photos":
      case "publication":
        this.#feed.dispatch({ type: "change", previous: message.previous, version: message.version });
        break;
      case "progress":
        break;
    }
    this.#ports.onMessage(message);
    if (message.type !== "progress") this.#pollLater();
  }

  #pollLater(): void {
    this.#cancelPoll();
    if (this.#isClosed) return;
    const delayMs = this.#socket.isOpen ? POLL_BESIDE_SOCKET_MS : POLL_MS;
    this.#cancelPoll = this.#ports.clock.after(delayMs, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    const { api, connection, galleryId } = this.#ports;
    const answer = await connection.call(() => api.gallery(galleryId));
    if (this.#isClosed) return;
    if (answer.ok) this.#takeSnapshot(answer.value);
    else this.#ports.onRefusal(answer.failure);
    this.#pollLater();
  }

  #takeSnapshot(gallery: GalleryRow): void {
    this.#ports.onGallery(gallery);
    const isNews = gallery.version !== this.#feed.state.version;
    this.#feed.dispatch({ type: "snapshot", version: gallery.version });
    // The versions agree and yet files wait: a message may have been lost inside one that told of both.
    if (!isNews && this.#socket.isOpen && this.#ports.isAwaiting()) void this.#readList();
    if (isNews || !this.#socket.isOpen) {
      this.#ports.onMessage({ type: "snapshot", version: gallery.version, gallery, totals: gallery.totals });
    }
  }

  /** One reading at a time; what shows a gap meanwhile is answered by another after it. */
  async #readList(): Promise<void> {
    this.#isReadAgain = this.#isReading;
    if (this.#isReading) return;
    this.#isReading = true;
    const version = await this.#readPages();
    this.#isReading = false;
    if (this.#isClosed || version === null) return;
    this.#feed.dispatch({ type: "list_read", version });
    if (this.#isReadAgain) void this.#readList();
  }

  async #readPages(): Promise<number | null> {
    const { api, connection, galleryId } = this.#ports;
    const versions: number[] = [];
    const failure = await readPages(
      (cursor) => connection.call(() => api.listUploads(galleryId, cursor)),
      (page) => {
        if (this.#isClosed) return;
        for (const row of page.uploads) this.#ports.onRow(row);
        versions.push(page.version ?? 0);
      },
    );
    return failure === null ? (versions[0] ?? null) : null;
  }
}
