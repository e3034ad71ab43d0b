import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type GalleryEvent, type GalleryState, galleryMachine, newGallery } from "./gallery-machine.ts";

const MANUAL = { ...newGallery, autoPublish: false } as const;
const ALL_DONE: GalleryEvent = { type: "settled", doneCount: 3, failedCount: 0 };

function after(initial: GalleryState, ...events: readonly GalleryEvent[]): GalleryState {
  return events.reduce((state, event) => galleryMachine(state, event)[0], initial);
}

const STATES = {
  form: newGallery,
  publishing: after(newGallery, { type: "sending" }),
  complete: after(newGallery, ALL_DONE),
  manual_form: MANUAL,
  manual_publishing: after(MANUAL, { type: "publication", state: "in_progress" }),
  manual_complete: after(MANUAL, { type: "publication", state: "some_failed" }),
} as const;

const EVENTS = {
  files_added: { type: "files_added" },
  sending: { type: "sending" },
  all_done: ALL_DONE,
  some_failed: { type: "settled", doneCount: 3, failedCount: 1 },
  none_done: { type: "settled", doneCount: 0, failedCount: 1 },
  emptied: { type: "emptied" },
  publication: { type: "publication", state: "in_progress" },
  published: { type: "publication", state: "all_succeeded" },
  published_some: { type: "publication", state: "some_failed" },
  published_none: { type: "publication", state: "all_failed" },
} as const satisfies Record<string, GalleryEvent>;

const FOLLOWS_FILES = {
  sending: "publishing",
  all_done: "complete all",
  some_failed: "complete some",
  none_done: "complete none",
  emptied: "form",
};
const FOLLOWS_PUBLICATION = {
  publication: "publishing",
  published: "complete all",
  published_some: "complete some",
  published_none: "complete none",
};
const MOVES: Record<keyof typeof STATES, Partial<Record<keyof typeof EVENTS, string>>> = {
  form: FOLLOWS_FILES,
  publishing: FOLLOWS_FILES,
  complete: { ...FOLLOWS_FILES, files_added: "form" },
  manual_form: FOLLOWS_PUBLICATION,
  manual_publishing: FOLLOWS_PUBLICATION,
  manual_complete: { ...FOLLOWS_PUBLICATION, files_added: "form" },
};

function told(state: GalleryState): string {
  return state.name === "complete" ? `complete ${state.outcome}` : state.name;
}

const CASES = Object.keys(STATES).flatMap((from) =>
  Object.keys(EVENTS).map((event) => [from as keyof typeof STATES, event as keyof typeof EVENTS] as const),
);

test.each(CASES)("%s, when %s happens, goes where the table says", (from, event) => {
  const [state] = galleryMachine(STATES[from], EVENTS[event]);

  expect(told(state)).toBe(MOVES[from][event] ?? told(STATES[from]));
  expect(state.autoPublish).toBe(STATES[from].autoPublish);
});

test("turning publishing by itself on or off moves nothing", () => {
  expect(galleryMachine(STATES.publishing, { type: "auto_publish", isOn: false })[0]).toEqual({
    name: "publishing",
    autoPublish: false,
  });
});

test("the diagram in docs/engine.md shows the moves of a gallery that follows its files", () => {
  const page = readFileSync(new URL("../../../docs/engine.md", import.meta.url), "utf8");

  const [, drawn = ""] = /follows its files[\s\S]*?stateDiagram-v2\n([\s\S]*?)\n```/.exec(page) ?? [];

  expect(drawn.split("\n")).toEqual(["    [*] --> form", ...diagramLines()]);
});

function diagramLines(): string[] {
  const moves = new Map<string, Set<string>>();
  for (const from of [STATES.form, STATES.publishing, STATES.complete]) {
    for (const event of Object.values(EVENTS)) {
      const [next] = galleryMachine(from, event);
      if (next.name === from.name) continue;
      const move = `${from.name} --> ${next.name}`;
      moves.set(move, (moves.get(move) ?? new Set()).add(event.type));
    }
  }
  return Array.from(moves, ([move, events]) => `    ${move}: ${[...events].sort().join(", ")}`).sort();
}
