import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  memoryOf,
  type OpenFile,
  outcomeOfPublication,
  type PublishCommand,
  type PublishEvent,
  type PublishState,
  publishMachine,
  resumePublishing,
} from "./publish-machine.ts";
import type { PublicationRow, PublicationState } from "./wire.ts";

const OPEN: readonly OpenFile[] = [
  { fileId: "a", name: "a.jpg", uploadId: null },
  { fileId: "b", name: "b.jpg", uploadId: "ub" },
];

function publication(state: PublicationState, version = 1, id = "p"): PublicationRow {
  const counts = { chosen: 2, published: 1, failed: 1, pending: 0 };
  return { id, state, version, counts, failures: [] };
}

const EVENTS = {
  publish: { type: "publish", open: [], key: "k" },
  publish_too_soon: { type: "publish", open: OPEN, key: "k" },
  open: { type: "open", open: OPEN, key: "k" },
  all_there: { type: "open", open: [], key: "k" },
  await_them: { type: "await_them" },
  leave_them: { type: "leave_them" },
  gathered: { type: "gathered", uploadIds: ["ua", "ub"], key: "k" },
  gathered_none: { type: "gathered", uploadIds: [], key: "k" },
  told: { type: "told", publication: publication("in_progress", 2) },
  told_all: { type: "told", publication: publication("all_succeeded", 2) },
  told_some: { type: "told", publication: publication("some_failed", 2) },
  told_none: { type: "told", publication: publication("all_failed", 2) },
  told_another: { type: "told", publication: publication("all_failed", 9, "another") },
  told_late: { type: "told", publication: publication("all_failed", 0) },
  refused: { type: "refused" },
  seen: { type: "seen" },
  retry: { type: "retry" },
  back: { type: "back" },
  files_added: { type: "files_added" },
} as const satisfies Record<string, PublishEvent>;
type EventName = keyof typeof EVENTS;

function after(...names: readonly EventName[]): PublishState {
  return names.reduce<PublishState>((state, name) => publishMachine(state, EVENTS[name])[0], {
    name: "form",
  });
}

const STATES = {
  form: after(),
  choosing: after("publish_too_soon"),
  gathering: after("publish_too_soon", "await_them"),
  "gathering seen": after("publish_too_soon", "await_them", "seen"),
  asking: after("publish"),
  "asking seen": after("publish", "seen"),
  following: after("publish", "told"),
  "following seen": after("publish", "told", "seen"),
  "following ended": after("publish", "told_some"),
  retrying: after("publish", "told_some", "seen", "retry"),
  "retrying seen": after("publish", "told_some", "seen", "retry", "seen"),
  "complete some": after("publish", "told_some", "seen"),
} as const;
type StateName = keyof typeof STATES;

function nameOf(state: PublishState): string {
  if (state.name === "complete") return `complete ${outcomeOfPublication(state.publication)}`;
  if (state.name !== "publishing") return state.name;
  const { stage } = state;
  const hasEnded =
    stage.name === "following" && (stage.publication?.state ?? "in_progress") !== "in_progress";
  return `${stage.name}${hasEnded ? " ended" : ""}${state.isSeen ? " seen" : ""}`;
}

function commandNames(commands: readonly PublishCommand[]): string {
  return commands.map(({ type }) => type).join(" ");
}

/** Where each event leads, and what is to be done; what is not written down changes nothing. */
const TOLD_UNSEEN = {
  told: ["following", "follow"],
  told_all: ["following ended", ""],
  told_some: ["following ended", ""],
  told_none: ["following ended", ""],
};
const TOLD_SEEN = {
  told: ["following seen", "follow"],
  told_all: ["complete all", ""],
  told_some: ["complete some", ""],
  told_none: ["complete none", ""],
};
const BEGIN = {
  publish: ["asking", "show_for_a_while ask"],
  publish_too_soon: ["choosing", ""],
};
/** An order that was just asked does not know its id yet. */
const ASKED = { told_another: ["following ended", ""], told_late: ["following ended", ""] };
const ASKED_SEEN = { told_another: ["complete none", ""], told_late: ["complete none", ""] };
const RETRIED_LATE = { told_late: ["following ended", ""] };
const MOVES: Record<StateName, Partial<Record<EventName, readonly string[]>>> = {
  form: BEGIN,
  choosing: {
    all_there: ["asking", "show_for_a_while ask"],
    await_them: ["gathering", "show_for_a_while gather"],
    leave_them: ["gathering", "show_for_a_while gather"],
    back: ["form", ""],
  },
  gathering: { gathered: ["asking", "ask"], gathered_none: ["form", ""], seen: ["gathering seen", ""] },
  "gathering seen": { gathered: ["asking seen", "ask"], gathered_none: ["form", ""] },
  asking: { ...TOLD_UNSEEN, ...ASKED, refused: ["form", ""], seen: ["asking seen", ""] },
  "asking seen": { ...TOLD_SEEN, ...ASKED_SEEN, refused: ["form", ""] },
  following: { ...TOLD_UNSEEN, told: ["following", ""], refused: ["form", ""], seen: ["following seen", ""] },
  "following seen": { ...TOLD_SEEN, told: ["following seen", ""], refused: ["form", ""] },
  "following ended": {
    ...TOLD_UNSEEN,
    told: ["following", ""],
    refused: ["form", ""],
    seen: ["complete some", ""],
  },
  retrying: { ...TOLD_UNSEEN, ...RETRIED_LATE, refused: ["complete some", ""], seen: ["retrying seen", ""] },
  "retrying seen": { ...TOLD_SEEN, told_late: ["complete none", ""], refused: ["complete some", ""] },
  "complete some": {
    ...BEGIN,
    retry: ["retrying", "show_for_a_while retry"],
    back: ["form", ""],
    files_added: ["form", ""],
  },
};

const CASES = (Object.keys(STATES) as StateName[]).flatMap((from) =>
  (Object.keys(EVENTS) as EventName[]).map((event) => [from, event] as const),
);

test.each(Object.keys(STATES) as StateName[])("%s is the state that its name says", (name) => {
  expect(nameOf(STATES[name])).toBe(name);
});

test.each(CASES)("%s, when %s happens, goes where the table says", (from, event) => {
  const [next, commands] = publishMachine(STATES[from], EVENTS[event]);

  const [name, wanted] = MOVES[from][event] ?? [from, ""];
  expect([nameOf(next), commandNames(commands)]).toEqual([name, wanted]);
});

test("what is awaited is every file that was on its way", () => {
  expect(publishMachine(STATES.choosing, EVENTS.await_them)[1]).toContainEqual({
    type: "gather",
    fileIds: ["a", "b"],
  });
});

test("what is left stays out: only what is there is asked for", () => {
  const [left, commands] = publishMachine(STATES.choosing, EVENTS.leave_them);

  expect(commands).toContainEqual({ type: "gather", fileIds: [] });
  expect(publishMachine(left, EVENTS.gathered)[1]).toEqual([
    { type: "ask", order: { key: "k", uploadIds: ["ua", "ub"] } },
  ]);
});

test.each([
  ["form", null, ""],
  ["choosing", null, ""],
  ["gathering seen", "gathering", "show_for_a_while gather"],
  ["asking seen", "asking", "show_for_a_while ask"],
  ["following", "following seen", "follow"],
  ["retrying", "following seen", "follow"],
  ["complete some", "following seen", "follow"],
] as const)("%s is taken up again after a reload", (name, resumed, commands) => {
  const memory = memoryOf(STATES[name]);

  const step = memory === null ? null : resumePublishing(memory);

  expect(step === null ? null : nameOf(step[0])).toBe(resumed);
  expect(commandNames(step?.[1] ?? [])).toBe(commands);
});

test("whatever happens, nothing is asked twice under two keys and the end is seen", () => {
  const anyEvents = fc.array(fc.constantFrom(...(Object.keys(EVENTS) as EventName[])), { maxLength: 40 });

  fc.assert(
    fc.property(anyEvents, (names) => {
      let state: PublishState = { name: "form" };
      let isSeen = true;
      for (const name of names) {
        const [next, commands] = publishMachine(state, EVENTS[name]);
        if (commands.some(({ type }) => type === "show_for_a_while")) isSeen = false;
        isSeen ||= name === "seen" && state.name === "publishing";
        const isNews = next.name === "complete" && state.name !== "complete" && name !== "refused";
        if (isNews) expect(isSeen).toBe(true);
        expect(commands.filter(({ type }) => type === "ask" || type === "retry").length).toBeLessThan(2);
        state = next;
      }
    }),
    { numRuns: 10_000, seed: 7 },
  );
});

test("the diagram in docs/engine.md shows the table's moves and no others", () => {
  const page = readFileSync(new URL("../../../docs/engine.md", import.meta.url), "utf8");

  const [, drawn = ""] = /waits for its button[\s\S]*?stateDiagram-v2\n([\s\S]*?)\n```/.exec(page) ?? [];

  expect(drawn.split("\n")).toEqual(["    [*] --> form", ...diagramLines()]);
});

/** By the words of the stages; what only changes whether it was seen is no move. */
function diagramLines(): string[] {
  const moves = new Map<string, Set<string>>();
  for (const [from, event] of CASES) {
    const next = publishMachine(STATES[from], EVENTS[event])[0];
    const [one, other] = [from.split(" ")[0], nameOf(next).split(" ")[0]];
    if (one === other) continue;
    const move = `${one} --> ${other}`;
    moves.set(move, (moves.get(move) ?? new Set()).add(EVENTS[event].type));
  }
  return Array.from(moves, ([move, events]) => `    ${move}: ${[...events].sort().join(", ")}`).sort();
}
