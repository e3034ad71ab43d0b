// The page for whoever works on the product: every state of an upload at once, from numbers that never change.

import "../../css/app.css";
import "../../css/states.css";
import type { EngineReport, EngineRequest, GalleryTally, RowView } from "../engine/port.ts";
import { element } from "../ui/element.ts";
import type { EngineLink } from "../ui/engine-link.ts";
import { Previews } from "../ui/previews.ts";
import { ProblemList } from "../ui/problem-list.ts";
import { rowWith, tallyWith } from "../ui/sample-uploads.ts";
import { KNOWN_CODES } from "../ui/sentences.ts";
import { applyStoredTheme, listenForThemeSwitch } from "../ui/theme.ts";
import { UploadDock } from "../ui/upload-dock.ts";
import { UploadShelf } from "../ui/upload-shelf.ts";
import { fileCountOf } from "../ui/upload-words.ts";

const previews = new Previews(() => Promise.resolve(null));
const NO_CLICK = { onContinue: () => {}, onChooseFolder: () => {}, onBringBack: () => {} };
const ALL_KEPT = { bytes: 172, handle: 0, none: 0 };
const NONE_KEPT = { bytes: 0, handle: 0, none: 172 };
const SENDING = { uploading: 6, queued: 166, done: 1_032 };

const DOCKS: Readonly<Record<string, GalleryTally>> = {
  "sending, all kept": sending({ kept: ALL_KEPT }),
  "sending, some not kept": sending({ kept: { bytes: 102, handle: 48, none: 22 } }),
  "sending, kept by a folder": sending({ kept: { bytes: 22, handle: 150, none: 0 } }),
  "sending, nothing kept yet": sending({ kept: NONE_KEPT, bytesPerS: null, secondsLeft: null }),
  "some have changed": sending({
    kept: ALL_KEPT,
    changedNames: ["June/IMG_1.jpg", "June/IMG_2.jpg", "June/IMG_3.jpg", "June/IMG_4.jpg"],
  }),
  paused: over({ paused: 172, done: 1_032 }, { paused: true, kept: ALL_KEPT, percent: 82 }),
  "offline, kept": over(
    { waiting: 172, done: 1_032 },
    { waitingFor: "connection", kept: ALL_KEPT, percent: 82 },
  ),
  "offline, not kept": over(
    { waiting: 172, done: 1_032 },
    { waitingFor: "connection", kept: NONE_KEPT, percent: 82 },
  ),
  "signed out": over({ waiting: 172, done: 1_032 }, { waitingFor: "sign_in", kept: ALL_KEPT, percent: 82 }),
  "a folder to be read again": over(
    { waiting: 172, done: 1_032 },
    {
      percent: 82,
      askableCount: 150,
      kept: { bytes: 0, handle: 150, none: 22 },
      problems: [{ code: "file_needed", count: 172, retryable: true, names: [] }],
    },
  ),
  "files to be chosen again": over(
    { waiting: 22, done: 1_182 },
    {
      percent: 98,
      kept: { bytes: 0, handle: 0, none: 22 },
      problems: [{ code: "file_needed", count: 22, retryable: true, names: ["IMG_4.jpg", "IMG_5.jpg"] }],
    },
  ),
  confirming: over({ confirming: 12, done: 1_192 }, { percent: 99, kept: { bytes: 12, handle: 0, none: 0 } }),
  "all safe": over({ done: 1_204 }, { phase: "complete", outcome: "all", percent: 100 }),
  "some not added": over(
    { done: 1_189, failed: 12, invalid: 3 },
    {
      phase: "complete",
      outcome: "some",
      percent: 100,
      problems: [
        { code: "checksum_mismatch", count: 12, retryable: true, names: ["IMG_7.jpg", "IMG_8.jpg"] },
        { code: "not_an_image", count: 3, retryable: false, names: ["a.txt", "b.txt", "c.txt"] },
      ],
    },
  ),
  "gallery deleted": over(
    { failed: 24 },
    {
      title: "Island, June",
      phase: "complete",
      outcome: "none",
      problems: [{ code: "gallery_deleted", count: 24, retryable: true, names: ["IMG_4.jpg", "IMG_5.jpg"] }],
    },
  ),
  "none added": over({ invalid: 3 }, { phase: "complete", outcome: "none" }),
};

const ROW_KINDS: readonly Partial<RowView>[] = [
  { state: "inspecting" },
  { state: "queued", kept: "bytes" },
  { state: "signing" },
  { state: "uploading", sentBytes: 1_200_000 },
  { state: "confirming", sentBytes: 4_000_000 },
  { state: "done" },
  { state: "done", reasons: ["duplicate"] },
  { state: "waiting", reasons: ["offline"] },
  { state: "waiting", reasons: ["sign_in"] },
  { state: "waiting", reasons: ["file_needed"] },
  { state: "paused", sentBytes: 1_200_000 },
  { state: "failed", reasons: ["storage_unavailable"], retryable: true },
  { state: "failed", reasons: ["damaged_photo"] },
  { state: "invalid", reasons: ["too_many_pixels", "too_long_side"] },
  { state: "removed" },
  { state: "uploading", sentBytes: 9_000_000, sizeBytes: 34_000_000, ...shotOf("uploading", "done") },
  { state: "invalid", reasons: ["not_an_image"], ...shotOf("done", "invalid", "xmp") },
  { state: "queued", name: "2026-06-14 On the ferry to the island, with the whole family, IMG_4411.jpeg" },
  { state: "queued", name: "\u05d0\u05d1\u05d2 1.jpg" },
];
/** Of two files: a JPEG and what belongs to it. */
function shotOf(
  other: RowView["state"],
  state: RowView["state"],
  ending = "CR3",
): Pick<RowView, "name" | "parts"> {
  return {
    name: `IMG_4500.JPG + ${ending}`,
    parts: [
      { fileId: "jpeg", name: "IMG_4500.JPG", state: other },
      { fileId: "other", name: `IMG_4500.${ending}`, state },
    ],
  };
}

const ROWS = ROW_KINDS.map((kind, index) =>
  rowWith({ fileId: `row-${index}`, name: `IMG_${4400 + index}.jpg`, ...kind }),
);

function sending(more: Partial<GalleryTally>): GalleryTally {
  return tallyWith(SENDING, { percent: 82, ...more });
}

function over(files: Partial<GalleryTally["files"]>, more: Partial<GalleryTally>): GalleryTally {
  return tallyWith(files, { bytesPerS: null, secondsLeft: null, ...more });
}

/** An engine that says one thing, whatever is asked of it. */
function engineSaying(tally: Extract<EngineReport, { type: "tally" }>, rows: readonly RowView[]): EngineLink {
  const listeners = new Set<(report: EngineReport) => void>();
  const tell = (report: EngineReport): void => {
    for (const listener of listeners) {
      listener(report);
    }
  };
  const answer = (request: EngineRequest): void => {
    if (request.type === "rows") {
      const { galleryId, fromIndex, count } = request;
      const inWindow = rows.slice(fromIndex, fromIndex + count);
      const fileCount = rows.reduce((sum, row) => sum + fileCountOf(row), 0);
      tell({ type: "rows", galleryId, fromIndex, rowCount: rows.length, fileCount, rows: inWindow });
    }
  };
  return {
    send: answer,
    subscribe: (listener) => {
      listeners.add(listener);
      queueMicrotask(() => {
        // A dock shows an end only of what it has seen on its way.
        tell({ ...tally, galleries: [sending({})], total: sending({}) });
        tell(tally);
      });
      return () => listeners.delete(listener);
    },
  };
}

function showDock(
  parent: HTMLElement,
  name: string,
  galleries: readonly GalleryTally[],
  { isMirror = false, rows = [] as readonly RowView[] } = {},
): void {
  const root = element("section", {
    id: `dock-${name.replaceAll(/\W+/g, "-")}`,
    class: "dock",
    "aria-label": name,
  });
  root.hidden = true;
  parent.append(element("h3", {}, name), root);
  const total = galleries[0] ?? null;
  new UploadDock(root, engineSaying({ type: "tally", galleries, total, isMirror }, rows), NO_CLICK, previews);
  queueMicrotask(() => root.querySelector<HTMLElement>(".dock-toggle[aria-expanded=false]")?.click());
}

function sectionOf(main: HTMLElement, title: string): HTMLElement {
  const section = element("section", {}, element("h2", {}, title));
  main.append(section);
  return section;
}

function showDocks(main: HTMLElement): void {
  const section = sectionOf(main, "The dock");
  for (const [name, tally] of Object.entries(DOCKS)) {
    showDock(section, name, [tally]);
  }
  showDock(section, "in another tab", [sending({ kept: NONE_KEPT })], { isMirror: true });
  const others = ["Island, June", "Wedding of Anna and Bo", "Scans"].map((title, index) =>
    sending({ galleryId: `g${index}`, title, kept: ALL_KEPT, paused: index === 1 }),
  );
  showDock(section, "several galleries", others);
  showDock(section, "every row", [sending({ kept: ALL_KEPT })], { rows: ROWS });
}

function showShelf(main: HTMLElement): void {
  const root = element("div", { class: "shelf" });
  sectionOf(main, "Photos on their way").append(root);
  new UploadShelf(root, previews).show(
    ROWS.filter((row) => !["removed", "done", "invalid"].includes(row.state)),
    ROWS.length,
  );
}

function showProblems(main: HTMLElement): void {
  const section = sectionOf(main, "Problems");
  for (const [name, count] of [
    ["of one file", 1],
    ["of several", 12],
  ] as const) {
    const list = new ProblemList({ onRetry: () => {}, onClear: () => {}, ...NO_CLICK });
    const names = Array.from({ length: count }, (_, index) => `IMG_${4400 + index}.jpg`);
    list.show(KNOWN_CODES.map((code) => ({ code, count, retryable: true, names })));
    section.append(element("h3", {}, name), list.element);
  }
}

applyStoredTheme();
listenForThemeSwitch();
const main = document.querySelector("main");
if (main !== null) {
  showDocks(main);
  showShelf(main);
  showProblems(main);
}
