// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { EngineRequest, RowView } from "../engine/port.ts";
import { Publishing } from "./publishing.ts";

const VISIBLE_MS = 3_000;

let staged: string[] = [];
let publication: Record<string, unknown> = {};
let calls: { method: string; path: string; body: unknown }[] = [];
let sent: EngineRequest[] = [];
let phases: string[] = [];
let isOffline = false;
let button: HTMLButtonElement;
let panel: HTMLElement;
let publishing: Publishing;

beforeEach(() => {
  vi.useFakeTimers();
  sessionStorage.clear();
  [staged, calls, sent, phases, isOffline] = [[], [], [], [], false];
  publication = ended("in_progress");
  vi.stubGlobal("fetch", answer);
  open();
});

afterEach(() => {
  publishing.end();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function answer(path: string, init: RequestInit = {}): Promise<Response> {
  if (isOffline) {
    throw new TypeError("no network");
  }
  const method = init.method ?? "GET";
  if (method === "POST") {
    calls.push({ method, path, body: JSON.parse(String(init.body)) });
  }
  if (path === "/api/session") {
    return Response.json({ csrf_token: "t" });
  }
  if (path.includes("/photos?")) {
    return Response.json({ photos: staged.map((id) => ({ upload_id: id })), next_cursor: null });
  }
  return Response.json(publication);
}

function ended(state: string, failures: readonly string[] = [], version = 1): Record<string, unknown> {
  const counts = { chosen: 3, published: 3 - failures.length, failed: failures.length, pending: 0 };
  return {
    id: "p",
    state,
    version,
    counts,
    failures: failures.map((code) => ({
      upload_id: "u",
      error: { code, message: "", retryable: code !== "damaged_photo" },
    })),
  };
}

/** The page as it is loaded: with what the tab remembers, and nothing else. */
function open(): void {
  button = document.createElement("button");
  panel = document.createElement("section");
  publishing = new Publishing({
    button,
    panel,
    galleryId: "g",
    visibleMs: VISIBLE_MS,
    engine: { send: (request) => void sent.push(request) },
    onPhase: (phase, outcome) => void phases.push(outcome === null ? phase : `${phase} ${outcome}`),
  });
  publishing.start();
}

function row(fileId: string, uploadId: string | null, state: RowView["state"] = "uploading"): RowView {
  return { fileId, name: `${fileId}.jpg`, uploadId, state } as RowView;
}

function tell(...rows: RowView[]): void {
  publishing.showOpen(rows, rows.length);
}

async function settle(delayMs = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(delayMs);
}

async function pressPublish(...rows: RowView[]): Promise<void> {
  publishing.tellMoreIsComing(true);
  button.click();
  tell(...rows);
  await settle();
}

function press(words: string): void {
  const found = [...panel.querySelectorAll("button")].find((each) => each.textContent === words);
  expect(found, `no button ${words}`).toBeDefined();
  found?.click();
}

function bodies(end: string): unknown[] {
  return calls.filter(({ path }) => path.endsWith(end)).map(({ body }) => body);
}

test.each([
  [0, false, true],
  [0, true, false],
  [1, false, false],
])("%i staged, more coming: %s", (stagedCount, isMoreComing, isDisabled) => {
  publishing.tellMoreIsComing(isMoreComing);

  publishing.tellStaged(stagedCount);

  expect(button.disabled).toBe(isDisabled);
});

test("with nothing on its way all that is there is published at once", async () => {
  await pressPublish();

  expect(bodies("/publications")).toEqual([{ idempotency_key: expect.any(String) }]);
  expect([phases.at(-1), button.disabled]).toEqual(["publishing", true]);
});

test("publishing is seen for three seconds, and no call waits for that", async () => {
  publication = ended("all_succeeded");

  await pressPublish();
  await settle(VISIBLE_MS - 1);
  expect([phases.at(-1), bodies("/publications").length]).toEqual(["publishing", 1]);

  await settle(1);
  expect([phases.at(-1), panel.textContent]).toEqual([
    "complete all",
    expect.stringContaining("3 photos published."),
  ]);
});

test("what is still on its way is listed, and nothing is asked before the person has chosen", async () => {
  await pressPublish(row("a", null, "inspecting"), row("b", "ub"), row("c", "uc", "failed"));

  expect(panel.textContent).toContain("2 photos are still on the way.");
  expect([...panel.querySelectorAll("li")].map((each) => each.textContent)).toEqual(["a.jpg", "b.jpg"]);
  expect([bodies("/publications"), phases.at(-1)]).toEqual([[], "form"]);
});

test("what has arrived and is only to be confirmed needs no choice, and is published with the rest", async () => {
  staged = ["us"];
  await pressPublish(row("c", "uc", "confirming"));
  expect(bodies("/publications")).toEqual([{ idempotency_key: expect.any(String) }]);

  publication = ended("all_succeeded");
  await settle(VISIBLE_MS);
  await pressPublish(row("c", "uc", "confirming"), row("d", null, "inspecting"));
  expect(panel.textContent).toContain("1 photo is still on the way.");
  press("Publish what is there");
  await settle();

  expect(bodies("/publications").at(-1)).toMatchObject({ upload_ids: ["us", "uc"] });
});

test("what is awaited is named once each file has a row, with all that is staged", async () => {
  staged = ["us"];
  await pressPublish(row("a", null, "inspecting"), row("b", "ub"));
  press("Publish when they are there");
  await settle();
  expect([bodies("/publications"), phases.at(-1)]).toEqual([[], "publishing"]);

  tell(row("a", "ua", "failed"), row("b", "ub"), row("late", null));
  await settle();

  expect(bodies("/publications")).toEqual([
    { idempotency_key: expect.any(String), upload_ids: ["us", "ua", "ub"] },
  ]);
});

test("an awaited file that was removed, or is no photo, is not waited for", async () => {
  staged = ["us"];
  await pressPublish(row("a", null, "inspecting"), row("b", "ub"));
  press("Publish when they are there");

  tell(row("b", "ub"));
  await settle();

  expect(bodies("/publications")).toMatchObject([{ upload_ids: ["us", "ub"] }]);
});

test("only what is there is published where the person says so", async () => {
  staged = ["us"];
  await pressPublish(row("a", null, "inspecting"), row("b", "ub"));

  press("Publish what is there");
  await settle();

  expect(bodies("/publications")).toMatchObject([{ upload_ids: ["us"] }]);
});

test("where nothing is there yet, nothing is published and the form stays", async () => {
  await pressPublish(row("b", "ub"));

  press("Publish what is there");
  await settle();

  expect([bodies("/publications"), phases.at(-1)]).toEqual([[], "form"]);
});

test("what arrives while the person thinks needs no choice any more", async () => {
  await pressPublish(row("b", "ub"));

  tell();
  await settle();

  expect(bodies("/publications")).toHaveLength(1);
});

test("retry asks the server first, then the engine, and takes no new publication", async () => {
  publication = ended("some_failed", ["gave_up", "damaged_photo"]);
  await pressPublish();
  await settle(VISIBLE_MS);
  expect([phases.at(-1), panel.textContent]).toEqual([
    "complete some",
    expect.stringContaining("1 of 3 photos published."),
  ]);
  sent = [];

  publication = ended("in_progress", [], 2);
  press("Retry 1");
  await settle();

  expect([bodies("/publications/p/retry"), bodies("/publications").length]).toEqual([[{}], 1]);
  expect(sent).toEqual([{ type: "retry", galleryId: "g" }]);
  publication = ended("all_succeeded", [], 3);
  await settle(VISIBLE_MS);
  expect(phases.at(-1)).toBe("complete all");
});

test("what no retry would mend offers none, and leads back to the form", async () => {
  publication = ended("all_failed", ["damaged_photo"]);
  await pressPublish();
  await settle(VISIBLE_MS);
  expect([...panel.querySelectorAll("button")].map((each) => each.textContent)).toEqual(["Done"]);

  press("Done");

  expect([phases.at(-1), panel.hidden, button.disabled]).toEqual(["form", true, false]);
});

test("adding more begins a new round", async () => {
  publication = ended("all_succeeded");
  await pressPublish();
  await settle(VISIBLE_MS);

  publishing.filesAdded();

  expect(phases.at(-1)).toBe("form");
});

test("a reload goes on following", async () => {
  await pressPublish();
  publishing.end();

  open();
  expect(phases.at(-1)).toBe("publishing");
  publication = ended("some_failed", ["gave_up"]);
  await settle(2_000);

  expect([phases.at(-1), bodies("/publications").length]).toEqual(["complete some", 1]);
});

test("a reload goes on waiting, and asks the engine until it knows its files again", async () => {
  await pressPublish(row("a", null, "inspecting"));
  press("Publish when they are there");
  publishing.end();

  open();
  tell();
  await settle();
  expect(bodies("/publications")).toEqual([]);

  publishing.engineKnowsGallery();
  tell(row("a", "ua"));
  await settle();

  expect(bodies("/publications")).toMatchObject([{ upload_ids: ["ua"] }]);
});

test("without a network it is asked again under the same key", async () => {
  isOffline = true;
  await pressPublish();
  publishing.end();
  open();
  await settle(2_000);
  expect([calls, phases.at(-1)]).toEqual([[], "publishing"]);

  isOffline = false;
  await settle(2_000);

  expect(new Set(bodies("/publications").map((body) => JSON.stringify(body))).size).toBe(1);
});

test("a publication that is gone leads back to the form", async () => {
  await pressPublish();
  vi.stubGlobal("fetch", async () => Response.json({ error: { code: "not_found" } }, { status: 404 }));

  await settle(2_000);

  expect([phases.at(-1), sessionStorage.length]).toEqual(["form", 0]);
});

test("the engine's rows are asked for only while they are needed", async () => {
  await pressPublish(row("b", "ub"));
  expect(sent.at(-1)).toMatchObject({ type: "rows", view: "open", count: 100_000 });

  press("Not now");

  expect(sent.at(-1)).toMatchObject({ type: "rows", view: "open", count: 0 });
});

test("the end of that asking tells nothing of the files", async () => {
  await pressPublish(row("b", "ub"));
  press("Not now");
  button.click();

  publishing.showOpen([], 1);
  await settle();

  expect(bodies("/publications")).toEqual([]);
});
