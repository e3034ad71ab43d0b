// Galleries that do not publish by themselves have a button for it. This performs what its machine decides.

import {
  memoryOf,
  type OpenFile,
  outcomeOfPublication,
  PUBLISH_FORM,
  type PublishCommand,
  type PublishEvent,
  type PublishState,
  publishMachine,
  resumePublishing,
} from "../domain/publish-machine.ts";
import { parsePublication } from "../domain/wire.ts";
import type { RowView } from "../engine/port.ts";
import { Runner } from "../kernel/machine.ts";
import { announce } from "../ui/announcer.ts";
import type { EngineLink } from "../ui/engine-link.ts";
import { showNotice } from "../ui/notice.ts";
import { lineOf, PublishPanel } from "../ui/publish-panel.ts";
import { sentenceOf } from "../ui/sentences.ts";
import { recall, remember } from "./publish-memory.ts";
import { type Answer, type CallFailure, fieldOf, getJson, sendJson } from "./site-api.ts";

// The most that one page of a list holds.
const PAGE_SIZE = 1_000;
// The socket tells sooner; asking is for where sockets are blocked.
const ASK_EVERY_MS = 2_000;
// All of them: more files than this are in no gallery.
const OPEN_ROWS = 100_000;
/** After a reload the engine may need a moment to know its files again. */
const ENGINE_KNOWS_WITHIN_MS = 10_000;

export type GalleryPhase = "form" | "publishing" | "complete";
export type GalleryOutcome = "all" | "some" | "none" | null;

export type PublishingPorts = Readonly<{
  button: HTMLButtonElement;
  panel: HTMLElement;
  galleryId: string;
  /** A publication is shown as going on for at least so long. */
  visibleMs: number;
  engine: Pick<EngineLink, "send">;
  onPhase: (phase: GalleryPhase, outcome: GalleryOutcome) => void;
}>;

export class Publishing {
  readonly #ports: PublishingPorts;
  readonly #panel: PublishPanel;
  readonly #timers = new Set<number>();
  #runner: Runner<PublishState, PublishEvent, PublishCommand>;
  #isPressed = false;
  #isMoreComing = false;
  #isOpenWatched = false;
  /** null until they were told. */
  #rows: readonly RowView[] | null = null;
  #isEngineReady = false;
  #isGathering = false;
  #isOver = false;
  /** null until it was told: then nothing is withheld. */
  #stagedCount: number | null = null;
  #shown: PublishState | null = null;

  constructor(ports: PublishingPorts) {
    this.#ports = ports;
    this.#panel = new PublishPanel(ports.panel, {
      onAwait: () => this.#dispatch({ type: "await_them" }),
      onLeave: () => this.#dispatch({ type: "leave_them" }),
      onRetry: () => this.#dispatch({ type: "retry" }),
      onBack: () => this.#dispatch({ type: "back" }),
    });
    this.#runner = this.#runnerFrom(PUBLISH_FORM);
    ports.button.addEventListener("click", () => this.#press());
  }

  /** Goes on with what this tab had begun before it was loaded again. */
  start(): void {
    const memory = recall(this.#ports.galleryId);
    const [state, commands] = memory === null ? ([PUBLISH_FORM, []] as const) : resumePublishing(memory);
    this.#runner = this.#runnerFrom(state);
    this.#later(ENGINE_KNOWS_WITHIN_MS, () => this.#engineIsReady());
    this.#show();
    for (const command of commands) {
      this.#perform(command);
    }
  }

  end(): void {
    this.#isOver = true;
    for (const timer of this.#timers) {
      clearTimeout(timer);
    }
    this.#watchOpen(false);
  }

  /** So many photos are safe and not published. */
  tellStaged(count: number): void {
    this.#stagedCount = count;
    this.#drawButton();
  }

  /** What is still on its way can be published too: it shows when it is safe. */
  tellMoreIsComing(isMoreComing: boolean): void {
    this.#isMoreComing = isMoreComing;
    this.#drawButton();
  }

  engineKnowsGallery(): void {
    if (!this.#isEngineReady) {
      this.#engineIsReady();
    }
  }

  filesAdded(): void {
    this.#dispatch({ type: "files_added" });
  }

  /** Every file that is not over, as the engine tells while it is asked to; the answer to the end of that has none. */
  showOpen(rows: readonly RowView[], rowCount: number): void {
    if (rows.length !== rowCount) {
      return;
    }
    this.#rows = rows;
    const open = rows.filter((row) => !hasArrived(row) && row.state !== "failed").map(openFileOf);
    const key = crypto.randomUUID();
    const isPressed = this.#isPressed;
    this.#isPressed = false;
    if (isPressed) {
      this.#dispatch({ type: "publish", open, key });
    } else if (this.#runner.state.name === "choosing") {
      this.#dispatch({ type: "open", open, key });
    } else {
      void this.#gather();
    }
  }

  heard(message: unknown): void {
    const { state } = this.#runner;
    const isPublication = fieldOf(message, "type") === "publication";
    if (isPublication && state.name === "publishing" && state.stage.name === "following") {
      void this.#look(state.stage.id);
    }
  }

  #press(): void {
    this.#isPressed = true;
    this.#drawButton();
    this.#watchOpen(true);
  }

  #runnerFrom(state: PublishState): Runner<PublishState, PublishEvent, PublishCommand> {
    return new Runner(publishMachine, state, (command) => this.#perform(command));
  }

  #dispatch(event: PublishEvent): void {
    if (!this.#isOver) {
      this.#runner.dispatch(event);
      this.#show();
    }
  }

  #show(): void {
    const { state } = this.#runner;
    if (state === this.#shown) {
      return;
    }
    const before = this.#shown;
    this.#shown = state;
    remember(this.#ports.galleryId, memoryOf(state));
    this.#watchOpen(state.name === "choosing" || gatheredFiles(state) !== null);
    this.#panel.show(state);
    this.#drawButton();
    this.#ports.onPhase(phaseOf(state), outcomeOf(state));
    if (state.name !== before?.name) {
      announce(lineOf(state));
    }
  }

  #drawButton(): void {
    const { name } = this.#runner.state;
    const isNothingThere = this.#stagedCount === 0 && !this.#isMoreComing;
    const isBusy = this.#isPressed || name === "choosing" || name === "publishing";
    this.#ports.button.disabled = isBusy || isNothingThere;
  }

  /** Only while somebody needs it: thousands of rows four times a second are work. */
  #watchOpen(isWatched: boolean): void {
    if (isWatched !== this.#isOpenWatched || this.#isPressed) {
      this.#isOpenWatched = isWatched;
      this.#rows = null;
      const count = isWatched ? OPEN_ROWS : 0;
      const { engine, galleryId } = this.#ports;
      engine.send({ type: "rows", view: "open", galleryId, fromIndex: 0, count });
    }
  }

  #perform(command: PublishCommand): void {
    switch (command.type) {
      case "gather":
        // The list was open already where a person chose from it.
        this.#watchOpen(true);
        void this.#gather();
        break;
      case "ask":
        void this.#ask(command);
        break;
      case "follow":
        void this.#follow(command.id);
        break;
      case "retry":
        void this.#retry(command.id);
        break;
      case "show_for_a_while":
        this.#later(this.#ports.visibleMs, () => this.#dispatch({ type: "seen" }));
        break;
      default:
        command satisfies never;
    }
  }

  #engineIsReady(): void {
    this.#isEngineReady = true;
    if (this.#isOpenWatched) {
      this.#isOpenWatched = false;
      this.#watchOpen(true);
    }
  }

  /** Names the rows of what is awaited, once each has one or has ended, and all that is staged. */
  async #gather(): Promise<void> {
    const fileIds = gatheredFiles(this.#runner.state);
    if (fileIds === null || this.#isGathering || !this.#areRowsKnown(fileIds)) {
      return;
    }
    const awaited = new Set(fileIds);
    const rows = this.#rows ?? [];
    const wanted = rows.filter((row) => awaited.has(row.fileId) || hasArrived(row));
    this.#isGathering = true;
    const staged = await listStaged(this.#ports.galleryId);
    this.#isGathering = false;
    if (staged === null) {
      this.#later(ASK_EVERY_MS, () => this.#gather());
      return;
    }
    const uploadIds = [...new Set([...staged, ...wanted.flatMap(({ uploadId }) => uploadId ?? [])])];
    if (uploadIds.length === 0) {
      showNotice("No photo is there yet, so nothing was published.");
    }
    this.#dispatch({ type: "gathered", uploadIds, key: crypto.randomUUID() });
  }

  /** Whether each of these files has a row, or has ended. */
  #areRowsKnown(fileIds: readonly string[]): boolean {
    if (fileIds.length === 0) {
      return true;
    }
    const rows = this.#rows ?? [];
    const awaited = new Set(fileIds);
    const isUnknown = ({ fileId, state, uploadId }: RowView): boolean =>
      awaited.has(fileId) && (uploadId ?? null) === null && state !== "failed";
    const isTold = this.#rows !== null && (this.#isEngineReady || rows.length > 0);
    return isTold && !rows.some(isUnknown);
  }

  async #ask(command: Extract<PublishCommand, { type: "ask" }>): Promise<void> {
    const { key, uploadIds } = command.order;
    const answer = await sendJson("POST", `/api/galleries/${this.#ports.galleryId}/publications`, {
      idempotency_key: key,
      ...(uploadIds === null ? {} : { upload_ids: uploadIds }),
    });
    this.#take(answer, () => this.#ask(command));
  }

  async #retry(id: string): Promise<void> {
    const answer = await sendJson("POST", `/api/publications/${id}/retry`, {});
    this.#take(answer, () => this.#retry(id));
    if (answer.ok) {
      // After the server: what it has taken up needs bytes, or none, and the engine learns which.
      this.#ports.engine.send({ type: "retry", galleryId: this.#ports.galleryId });
    }
  }

  async #follow(id: string): Promise<void> {
    await this.#look(id);
    const { state } = this.#runner;
    if (state.name === "publishing" && state.stage.name === "following" && state.stage.id === id) {
      this.#later(ASK_EVERY_MS, () => this.#follow(id));
    }
  }

  async #look(id: string): Promise<void> {
    const answer = await getJson(`/api/publications/${id}`);
    if (answer.ok || !isPassing(answer.failure)) {
      this.#take(answer, () => undefined);
    }
  }

  /** What may pass is asked again: under the same key it has one effect. */
  #take(answer: Answer, again: () => void): void {
    if (!answer.ok && isPassing(answer.failure)) {
      this.#later(ASK_EVERY_MS, again);
      return;
    }
    const parsed = answer.ok ? parsePublication(answer.value) : null;
    if (parsed?.ok === true) {
      this.#dispatch({ type: "told", publication: parsed.value });
      return;
    }
    if (!this.#isOver) {
      showNotice(sentenceOf(answer.ok ? "server_error" : answer.failure.code));
    }
    this.#dispatch({ type: "refused" });
  }

  #later(delayMs: number, run: () => void): void {
    const timer = window.setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#isOver) {
        run();
      }
    }, delayMs);
    this.#timers.add(timer);
  }
}

function isPassing({ code, status }: CallFailure): boolean {
  return code === "offline" || code === "sign_in_required" || status === 429 || status >= 500;
}

/** Every byte of it is stored: whatever is published, it is among it. */
function hasArrived({ state }: RowView): boolean {
  return state === "confirming";
}

function openFileOf({ fileId, name, uploadId }: RowView): OpenFile {
  return { fileId, name, uploadId: uploadId ?? null };
}

function gatheredFiles(state: PublishState): readonly string[] | null {
  return state.name === "publishing" && state.stage.name === "gathering" ? state.stage.fileIds : null;
}

function phaseOf(state: PublishState): GalleryPhase {
  return state.name === "choosing" ? "form" : state.name;
}

function outcomeOf(state: PublishState): GalleryOutcome {
  return state.name === "complete" ? outcomeOfPublication(state.publication) : null;
}

/** The uploads whose photos are safe and not shown; null where the server does not answer. */
async function listStaged(galleryId: string): Promise<readonly string[] | null> {
  const ids: string[] = [];
  for (let cursor: unknown = ""; cursor !== null; ) {
    const query = `status=staged&limit=${PAGE_SIZE}&cursor=${encodeURIComponent(String(cursor))}`;
    const answer = await getJson(`/api/galleries/${galleryId}/photos?${query}`);
    const photos = answer.ok ? fieldOf(answer.value, "photos") : null;
    if (!Array.isArray(photos)) {
      return null;
    }
    ids.push(...photos.map((photo) => String(fieldOf(photo, "upload_id"))));
    cursor = answer.ok ? (fieldOf(answer.value, "next_cursor") ?? null) : null;
  }
  return ids;
}
