// What an earlier visit left behind: files that failed, and files that were begun and never sent. Told once, in place.

import { openCountOf } from "../domain/totals.ts";
import type { Totals } from "../domain/wire.ts";
import { announce } from "../ui/announcer.ts";
import { openFolderChooser } from "../ui/dropzone.ts";
import { HEARD_WITHIN_MS } from "../ui/elsewhere-line.ts";
import { ProblemList } from "../ui/problem-list.ts";
import { sentenceOf } from "../ui/sentences.ts";
import { fieldOf, getJson, sendJson } from "./site-api.ts";

const PAGE_SIZE = 1_000;
const READ_AFTER_MS = 1_000;
/** So long uploads of this browser have to be found again: those are told by the dock. */
const TOLD_AFTER_MS = 3_000;
// The API takes this many in one call.
const BATCH = 100;
const NAMES_SHOWN = 100;
const BEGUN = "begun_before";

type Group = { readonly code: string; retryable: boolean; readonly ids: string[]; readonly names: string[] };

export class Leftovers {
  readonly #root: HTMLElement;
  readonly #galleryId: string;
  readonly #list: ProblemList;
  #groups: ReadonlyMap<string, Group> = new Map();
  #isOver = false;
  readonly #toldFromMs = performance.now() + TOLD_AFTER_MS;
  #quietUntilMs = this.#toldFromMs;
  #timer = 0;

  constructor(root: HTMLElement, galleryId: string) {
    this.#root = root;
    this.#galleryId = galleryId;
    this.#list = new ProblemList({
      onRetry: (code) => this.#act("retry", code),
      onClear: (code) => this.#act("cancel", code),
      onChooseFolder: () => openFolderChooser(galleryId),
    });
    root.replaceChildren(this.#list.element);
    root.hidden = true;
  }

  begin(): void {
    this.#readSoon();
  }

  /** This visit uploads by itself: the dock tells from now on. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#root.hidden = true;
  }

  /** While another device sends, nothing is missing, and to clear it here would end it there. */
  heard(message: unknown): void {
    if (this.#isOver) {
      return;
    }
    const type = fieldOf(message, "type");
    if (type === "progress" && isAnyOpen(message)) {
      this.#root.hidden = true;
      this.#quietUntilMs = performance.now() + HEARD_WITHIN_MS;
      this.#readSoon();
    } else if (type === "progress") {
      // Nothing is on its way any more: what failed is told at once.
      this.#quietUntilMs = this.#toldFromMs;
      this.#readSoon();
    } else if (type === "uploads") {
      this.#readSoon();
    }
  }

  #readSoon(): void {
    clearTimeout(this.#timer);
    const delayMs = Math.max(READ_AFTER_MS, this.#quietUntilMs - performance.now());
    this.#timer = window.setTimeout(() => this.#read(), delayMs);
  }

  async #read(): Promise<void> {
    const rows = await listMissing(this.#galleryId);
    const isQuiet = performance.now() < this.#quietUntilMs;
    if (rows !== null && !this.#isOver && !isQuiet) {
      this.#groups = groupsOf(rows);
      this.#show();
    }
  }

  #show(): void {
    this.#root.hidden = this.#groups.size === 0;
    this.#list.show(
      Array.from(this.#groups.values(), ({ code, retryable, ids, names }) => ({
        code,
        retryable,
        count: ids.length,
        names: names.slice(0, NAMES_SHOWN),
      })),
    );
  }

  async #act(verb: "retry" | "cancel", code: string): Promise<void> {
    const ids = this.#groups.get(code)?.ids ?? [];
    for (let start = 0; start < ids.length; start += BATCH) {
      const answer = await sendJson("POST", `/api/uploads/${verb}`, { ids: ids.slice(start, start + BATCH) });
      if (!answer.ok) {
        announce(sentenceOf(answer.failure.code));
        return;
      }
    }
    await this.#read();
  }
}

function isAnyOpen(message: unknown): boolean {
  const { totals } = message as { totals?: Totals };
  return totals !== undefined && openCountOf(totals) > 0;
}

async function listMissing(galleryId: string): Promise<readonly unknown[] | null> {
  const states = "state=failed&state=registered&state=signed";
  const rows: unknown[] = [];
  for (let cursor: unknown = ""; cursor !== null; ) {
    const page = `limit=${PAGE_SIZE}&cursor=${encodeURIComponent(String(cursor))}`;
    const answer = await getJson(`/api/galleries/${galleryId}/uploads?${states}&${page}`);
    const found = answer.ok ? fieldOf(answer.value, "uploads") : null;
    if (!Array.isArray(found)) {
      return null;
    }
    rows.push(...found);
    cursor = answer.ok ? (fieldOf(answer.value, "next_cursor") ?? null) : null;
  }
  return rows;
}

/** What the gallery has already is no trouble left behind. */
export function groupsOf(rows: readonly unknown[]): ReadonlyMap<string, Group> {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const error = fieldOf(row, "error");
    const code = String(fieldOf(error, "code") ?? BEGUN);
    if (code === "duplicate") {
      continue;
    }
    const group = groups.get(code) ?? { code, retryable: false, ids: [], names: [] };
    group.retryable ||= fieldOf(error, "retryable") === true;
    group.ids.push(String(fieldOf(row, "id")));
    group.names.push(String(fieldOf(row, "name")));
    groups.set(code, group);
  }
  return groups;
}
