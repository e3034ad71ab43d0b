// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { EngineReport, EngineRequest, GalleryTally } from "../engine/port.ts";
import { Previews } from "./previews.ts";
import { rowWith, tallyWith } from "./sample-uploads.ts";
import { UploadDock } from "./upload-dock.ts";

let tell: (report: EngineReport) => void;
let asked: EngineRequest[];
let dock: UploadDock;
let root: HTMLElement;

beforeEach(() => {
  vi.useFakeTimers();
  const announcer = document.createElement("p");
  announcer.id = "announcer";
  document.body.replaceChildren(announcer);
  root = document.createElement("section");
  asked = [];
  const engine = {
    send: (request: EngineRequest) => void asked.push(request),
    subscribe: (listener: typeof tell) => {
      tell = listener;
      return () => {};
    },
  };
  const actions = { onContinue: () => {}, onChooseFolder: () => {}, onBringBack: () => {} };
  dock = new UploadDock(root, engine, actions, new Previews(async () => null));
});

afterEach(() => {
  vi.useRealTimers();
});

function announced(): string | null | undefined {
  return document.getElementById("announcer")?.textContent;
}

function tellOf(...galleries: readonly GalleryTally[]): void {
  tell({ type: "tally", galleries, total: galleries[0] ?? null, isMirror: false });
}

function shownTitle(): string | null | undefined {
  const names = Array.from(root.querySelectorAll<HTMLElement>(".dock-gallery"));
  return names.find(({ ariaCurrent }) => ariaCurrent === "true")?.textContent;
}

const before = { ...tallyWith({ done: 2 }), galleryId: "a", title: "Before" };
const here = { ...tallyWith({ queued: 2 }), galleryId: "b", title: "Here" };

test("the list shows what was just added to the gallery on the page", () => {
  tellOf(before);
  dock.pageShown("b");

  tellOf(before, here);

  expect(shownTitle()).toBe("Here");
});

test("the list stays on the gallery a person chose in it", () => {
  dock.pageShown("b");
  tellOf(before, here);

  root.querySelector<HTMLButtonElement>(".dock-gallery")?.click();
  tellOf(before, here);

  expect(shownTitle()).toBe("Before");
});

test("what is selected is counted in files, as everything else is", () => {
  tellOf(here);
  const part = { name: "IMG_1.JPG", state: "queued" } as const;
  const shot = rowWith({ galleryId: "b", parts: [1, 2].map((each) => ({ ...part, fileId: `${each}` })) });
  const rows = {
    type: "rows",
    galleryId: "b",
    fromIndex: 0,
    rowCount: 1,
    fileCount: 2,
    rows: [shot],
  } as const;
  tell(rows);

  root.querySelector<HTMLInputElement>(".file-check")?.click();

  expect(root.querySelector(".list-selection strong")?.textContent).toBe("2 files selected");
  expect(root.querySelector(".list-head")?.textContent).toContain("2 files in 1 row");
});

test("that a gallery is full is said by its own page, and by the dock on every other one", () => {
  const problems = [{ code: "gallery_full", count: 1, retryable: false, names: [] }];
  const told = (): boolean => root.querySelector("[data-problem=gallery_full]") !== null;
  dock.pageShown("b");
  tellOf({ ...tallyWith({ done: 2, failed: 1 }, { problems }), galleryId: "b" });
  const isToldThere = told();

  dock.pageShown(null);

  expect([isToldThere, told()]).toEqual([false, true]);
});

test("a sign-out in another tab is said in the dock's place, until the next page or the next upload", () => {
  const offered = (): string[] =>
    Array.from(
      root.querySelectorAll<HTMLElement>(".dock-buttons > :not([hidden])"),
      (each) => each.innerText,
    );
  tellOf(here);
  tell({ type: "tally", galleries: [], total: null, isMirror: false });
  expect(root.hidden).toBe(true);

  dock.showSignedOut();

  expect(root.hidden).toBe(false);
  expect(root.querySelector(".dock-words")?.textContent).toContain("signed out in another tab");
  expect(offered()).toEqual(["Sign in"]);
  expect(root.querySelector<HTMLElement>(".dock-panel")?.hidden).toBe(true);
  dock.pageShown("b");
  expect(root.hidden).toBe(true);
  tellOf(here);
  expect(root.hidden).toBe(false);
  expect(offered()).not.toContain("Sign in");
});

test("a reader hears how many were chosen once no more come, also where nothing else is told", () => {
  tellOf(tallyWith({ queued: 20 }));
  tellOf(tallyWith({ queued: 300 }));
  expect(announced()).toBe("");

  vi.advanceTimersByTime(1_000);

  expect(announced()).toBe("Uploading 300 photos.");
});

test("a reader hears nothing of an upload that is gone meanwhile", () => {
  tellOf(tallyWith({ queued: 20 }));

  tellOf();
  vi.advanceTimersByTime(1_000);

  expect(announced()).toBe("");
});
