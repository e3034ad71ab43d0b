import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { failureHere, goneFailure, MAX_RESENDS } from "./failure.ts";
import {
  chosenFile,
  type FileCommand,
  type FileEvent,
  type FileState,
  fileMachine,
  isEnded,
  type Remembered,
  type RowNews,
  rememberedFile,
} from "./file-machine.ts";
import { planParts } from "./part-plan.ts";
import { MAX_STORE_TROUBLES } from "./retry.ts";
import { percentOf, tallyOf } from "./tally.ts";
import type { UploadRowState } from "./wire.ts";

const FILE_BYTES = 20 * 1024 * 1024; // three parts
const PLAN = planParts(FILE_BYTES);
const AWAY = { type: "away", why: "offline" } as const;
const REFUSED = {
  type: "refused",
  failure: { code: "gallery_full", retryable: false, photoId: null },
} as const;
const GONE = { type: "refused", failure: goneFailure("gallery_deleted") } as const;
const BUSY = { type: "refused", failure: failureHere("storage_unavailable") } as const;

function row(state: UploadRowState | null, version: number, code: string | null = null): RowNews {
  const failure = code === null ? null : { code, retryable: true, photoId: null };
  return { id: "row-1", state, version, failure, photoId: state === "verified" ? "photo-1" : null };
}

function registered(state: UploadRowState): FileEvent {
  return { type: "registered", row: row(state, 1, state === "failed" ? "not_an_image" : null) };
}

function news(state: UploadRowState, version = 9, code: string | null = null): FileEvent {
  return { type: "row", row: row(state, version, code ?? (state === "failed" ? "not_an_image" : null)) };
}

function after(...events: readonly FileEvent[]): FileState {
  return events.reduce((state, event) => fileMachine(state, event)[0], chosenFile(FILE_BYTES));
}

const TO_SLOT: readonly FileEvent[] = [{ type: "inspected" }, registered("registered")];
const SIGNED: FileEvent = { type: "signed", plan: PLAN, storedParts: [] };
const TO_SENDING: readonly FileEvent[] = [...TO_SLOT, { type: "started" }, SIGNED];
const ALL_STORED: readonly FileEvent[] = [1, 2, 3].map((number) => ({ type: "part_stored", number }));

const STATES = {
  inspecting: after(),
  invalid: after({ type: "rejected", reasons: ["not_an_image"] }),
  queued_row: after({ type: "inspected" }),
  queued_slot: after(...TO_SLOT),
  queued_pause: after(...TO_SENDING, { type: "store_failed" }),
  signing: after(...TO_SLOT, { type: "started" }),
  uploading: after(...TO_SENDING),
  confirming: after(...TO_SENDING, ...ALL_STORED),
  done: after(...TO_SENDING, ...ALL_STORED, news("verified")),
  duplicate: after(
    { type: "inspected" },
    { type: "refused", failure: { ...failureHere("duplicate"), photoId: "p" } },
  ),
  waiting_offline: after(...TO_SLOT, AWAY),
  waiting_file: after(...TO_SLOT, { type: "unreadable" }),
  paused: after(...TO_SENDING, { type: "pause" }),
  paused_early: after({ type: "pause" }),
  failed: after(...TO_SENDING, ...ALL_STORED, news("failed", 9, "decoder_died")),
  removed: after(...TO_SENDING, { type: "remove" }),
} as const;
type Name = keyof typeof STATES;

const EVENTS = {
  chosen: { type: "chosen" },
  inspected: { type: "inspected" },
  rejected: { type: "rejected", reasons: ["empty_file"] },
  unreadable: { type: "unreadable" },
  registered: registered("registered"),
  registered_signed: registered("signed"),
  registered_uploaded: registered("uploaded"),
  registered_verified: registered("verified"),
  registered_failed: registered("failed"),
  unregistered: { type: "unregistered" },
  row_old: news("failed", -1),
  row_signed: news("signed"),
  row_uploaded: news("uploaded"),
  row_verified: news("verified", 12),
  row_failed: news("failed", 12),
  row_mismatch: news("failed", 12, "checksum_mismatch"),
  row_cancelled: news("cancelled", 12),
  row_expired: news("expired", 12),
  refused: REFUSED,
  gone: GONE,
  busy: BUSY,
  started: { type: "started" },
  signed: SIGNED,
  signed_whole: { type: "signed", plan: PLAN, storedParts: [1, 2, 3] },
  moved: { type: "moved", bytes: 5 },
  part_stored: { type: "part_stored", number: 1 },
  store_failed: { type: "store_failed" },
  pause_over: { type: "pause_over" },
  away: AWAY,
  back: { type: "back" },
  pause: { type: "pause" },
  resume: { type: "resume" },
  remove: { type: "remove" },
  retry: { type: "retry" },
  keep_both: { type: "keep_both" },
} as const satisfies Record<string, FileEvent>;

// Every move there is. Whatever is not named here stays where it is and asks for nothing.
const MOVES: { readonly [From in Name]?: Partial<Record<keyof typeof EVENTS, string>> } = {
  inspecting: {
    gone: "failed +withdraw",
    inspected: "queued +register",
    rejected: "invalid",
    unreadable: "waiting +withdraw",
    pause: "paused",
    remove: "removed +withdraw",
  },
  invalid: { chosen: "inspecting +inspect", remove: "removed +withdraw" },
  queued_row: {
    gone: "failed +withdraw",
    unreadable: "waiting +withdraw",
    registered: "queued +offer",
    registered_signed: "queued +offer",
    registered_uploaded: "confirming",
    registered_verified: "done",
    registered_failed: "failed",
    unregistered: "inspecting +inspect",
    refused: "failed",
    busy: "failed",
    away: "waiting",
    pause: "paused +withdraw",
    remove: "removed +withdraw",
  },
  queued_slot: {
    gone: "failed +withdraw",
    unreadable: "waiting +withdraw",
    row_uploaded: "confirming +withdraw",
    row_verified: "done +withdraw",
    row_failed: "failed +withdraw",
    row_mismatch: "queued +withdraw +reopen",
    row_cancelled: "removed +withdraw",
    row_expired: "queued +withdraw +register",
    started: "signing",
    away: "waiting",
    pause: "paused +withdraw",
    remove: "removed +withdraw +cancel",
  },
  queued_pause: {
    gone: "failed +withdraw",
    unreadable: "waiting +withdraw",
    row_uploaded: "confirming +withdraw",
    row_verified: "done +withdraw",
    row_failed: "failed +withdraw",
    row_mismatch: "queued +withdraw +reopen",
    row_cancelled: "removed +withdraw",
    row_expired: "queued +withdraw +register",
    pause_over: "queued +offer",
    away: "waiting",
    pause: "paused +withdraw",
    remove: "removed +withdraw +cancel",
  },
  signing: {
    gone: "failed +withdraw",
    unreadable: "waiting +withdraw",
    row_uploaded: "confirming +withdraw",
    row_verified: "done +withdraw",
    row_failed: "failed +withdraw",
    row_mismatch: "queued +withdraw +reopen",
    row_cancelled: "removed +withdraw",
    row_expired: "queued +withdraw +register",
    refused: "failed +withdraw",
    busy: "queued +withdraw +rest",
    signed: "uploading",
    signed_whole: "confirming +complete",
    part_stored: "uploading",
    store_failed: "queued +withdraw +rest",
    away: "waiting",
    pause: "paused +withdraw",
    remove: "removed +withdraw +cancel",
  },
  uploading: {
    gone: "failed +withdraw",
    unreadable: "waiting +withdraw",
    row_uploaded: "confirming +withdraw",
    row_verified: "done +withdraw",
    row_failed: "failed +withdraw",
    row_mismatch: "queued +withdraw +reopen",
    row_cancelled: "removed +withdraw",
    row_expired: "queued +withdraw +register",
    refused: "failed +withdraw",
    busy: "queued +withdraw +rest",
    signed_whole: "confirming +complete",
    store_failed: "queued +withdraw +rest",
    away: "waiting",
    pause: "paused +withdraw",
    remove: "removed +withdraw +cancel",
  },
  confirming: {
    gone: "failed +withdraw",
    row_signed: "queued +offer",
    row_verified: "done",
    row_failed: "failed",
    row_mismatch: "queued +reopen",
    row_cancelled: "removed",
    row_expired: "queued +register",
    refused: "failed +withdraw",
    busy: "queued +withdraw +rest",
    remove: "removed +withdraw +cancel",
  },
  done: { chosen: "inspecting +inspect" },
  duplicate: { chosen: "inspecting +inspect", keep_both: "queued +register" },
  waiting_offline: {
    gone: "failed +withdraw",
    unreadable: "waiting +withdraw",
    row_uploaded: "confirming +withdraw",
    row_verified: "done +withdraw",
    row_failed: "failed +withdraw",
    row_mismatch: "waiting +withdraw +reopen",
    row_cancelled: "removed +withdraw",
    row_expired: "waiting +withdraw +register",
    signed: "queued",
    signed_whole: "queued",
    moved: "queued",
    part_stored: "queued",
    back: "queued",
    pause: "paused +withdraw",
    remove: "removed +withdraw +cancel",
  },
  waiting_file: {
    gone: "failed +withdraw",
    chosen: "inspecting +inspect",
    row_uploaded: "confirming +withdraw",
    row_verified: "done +withdraw",
    row_failed: "failed +withdraw",
    row_mismatch: "queued +withdraw +reopen",
    row_cancelled: "removed +withdraw",
    row_expired: "queued +withdraw +register",
    remove: "removed +withdraw +cancel",
    retry: "inspecting +inspect",
  },
  paused: {
    gone: "failed +withdraw",
    row_uploaded: "confirming +withdraw",
    row_verified: "done +withdraw",
    row_failed: "failed +withdraw",
    row_mismatch: "paused +withdraw +reopen",
    row_cancelled: "removed +withdraw",
    row_expired: "paused +withdraw",
    registered_uploaded: "confirming +withdraw",
    registered_verified: "done +withdraw",
    registered_failed: "failed +withdraw",
    resume: "queued +offer",
    remove: "removed +withdraw +cancel",
  },
  paused_early: {
    gone: "failed +withdraw",
    row_uploaded: "confirming +withdraw",
    row_verified: "done +withdraw",
    row_failed: "failed +withdraw",
    row_mismatch: "paused +withdraw +reopen",
    row_cancelled: "removed +withdraw",
    row_expired: "paused +withdraw",
    registered_uploaded: "confirming +withdraw",
    registered_verified: "done +withdraw",
    registered_failed: "failed +withdraw",
    resume: "inspecting +inspect",
    remove: "removed +withdraw",
  },
  failed: {
    chosen: "inspecting +inspect",
    row_uploaded: "failed",
    row_verified: "done",
    remove: "removed +withdraw +cancel",
    retry: "queued +reopen",
  },
  removed: {
    chosen: "inspecting +inspect",
    registered: "removed +cancel",
    registered_signed: "removed +cancel",
    registered_uploaded: "removed +cancel",
    registered_verified: "done",
    row_verified: "done",
  },
};

function told(state: FileState, commands: readonly FileCommand[]): string {
  return [state.name, ...commands.map(({ type }) => `+${type}`)].join(" ");
}

const CASES = Object.keys(STATES).flatMap((from) =>
  Object.keys(EVENTS).map((event) => [from as Name, event as keyof typeof EVENTS] as const),
);

test.each(CASES)("%s, when %s happens, goes where the table says", (from, event) => {
  const [state, commands] = fileMachine(STATES[from], EVENTS[event]);

  expect(told(state, commands)).toBe(MOVES[from]?.[event] ?? STATES[from].name);
});

test("wrong bytes are sent again twice by itself, then a person is asked", () => {
  let state: FileState = STATES.confirming;
  const told: string[] = [];

  for (let attempt = 0; attempt <= MAX_RESENDS; attempt += 1) {
    const version = 20 + attempt * 5;
    state = fileMachine(state, news("failed", version, "checksum_mismatch"))[0];
    told.push(state.name);
    if (state.name !== "queued") break;
    state = [registered("signed"), { type: "started" } as const, SIGNED, ...ALL_STORED].reduce<FileState>(
      (before, event) => fileMachine(before, event)[0],
      state,
    );
  }

  expect(told).toEqual(["queued", "queued", "failed"]);
  expect(fileMachine(state, { type: "retry" })[1]).toEqual([{ type: "reopen" }]);
});

test("what a deleted gallery left out begins anew once the gallery is back", () => {
  const sent: FileState = { ...STATES.uploading, way: { ...STATES.uploading.way, sentBytes: 99 } };
  const [left] = fileMachine(sent, GONE);

  const [again, commands] = fileMachine(left, { type: "retry" });

  expect([left.way.uploadId, left.way.sentBytes]).toEqual([null, 0]);
  expect([again.name, commands]).toEqual(["queued", [{ type: "register" }]]);
});

test("a store that never works is left to a person after the last round, not before", () => {
  let state: FileState = after(...TO_SENDING);
  for (let round = 0; round < MAX_STORE_TROUBLES; round += 1) {
    state = fileMachine(state, { type: "store_failed" })[0];
    expect(state.name).toBe("queued");
    state = [{ type: "pause_over" } as const, { type: "started" } as const, SIGNED].reduce<FileState>(
      (before, event) => fileMachine(before, event)[0],
      state,
    );
  }

  const [failed] = fileMachine(state, { type: "store_failed" });

  expect(failed).toMatchObject({ name: "failed", failure: { code: "storage_unavailable", retryable: true } });
  expect(fileMachine(failed, { type: "retry" })[1]).toEqual([{ type: "offer" }]);
});

test("one stored part makes the store trusted again", () => {
  const tired = after(
    ...TO_SENDING,
    { type: "store_failed" },
    { type: "pause_over" },
    { type: "started" },
    SIGNED,
  );

  const [state] = fileMachine(tired, { type: "part_stored", number: 2 });

  expect(state.way.troubleCount).toBe(0);
});

test("what a session has is all there is: parts counted before are sent again, and nothing looks unsent", () => {
  const sending = after(
    ...TO_SENDING,
    { type: "part_stored", number: 1 },
    { type: "part_stored", number: 2 },
  );

  const [state] = fileMachine(sending, { type: "signed", plan: PLAN, storedParts: [1], isAll: true });

  expect([...state.way.storedParts]).toEqual([1]);
  expect(state.way.sentBytes).toBe(sending.way.sentBytes);
});

test("what cannot get better is not tried again", () => {
  const failed = after(...TO_SENDING, ...ALL_STORED, {
    type: "row",
    row: { ...row("failed", 9), failure: { code: "unsupported_format", retryable: false, photoId: null } },
  });

  expect(fileMachine(failed, { type: "retry" })).toEqual([failed, []]);
});

test("a file that is cut off and moves again forgets that it was cut off", () => {
  const waiting = after(...TO_SENDING, AWAY);

  expect(waiting).toMatchObject({ name: "waiting", why: "offline" });
  expect(fileMachine(waiting, { type: "part_stored", number: 1 })[0].name).toBe("uploading");
});

const anyEvent = fc.oneof(
  fc.constantFrom<FileEvent>(...Object.values(EVENTS)),
  fc.integer({ min: 0, max: 4 }).map<FileEvent>((number) => ({ type: "part_stored", number })),
  fc.integer({ min: 0, max: 2 * FILE_BYTES }).map<FileEvent>((bytes) => ({ type: "moved", bytes })),
);

function checkStep(before: FileState, [next, commands]: readonly [FileState, readonly FileCommand[]]): void {
  const { sentBytes } = next.way;
  const isAnew = commands.some(({ type }) => type === "reopen" || type === "register" || type === "inspect");
  expect(sentBytes).toBeGreaterThanOrEqual(isAnew ? 0 : before.way.sentBytes);
  expect(sentBytes).toBeLessThanOrEqual(next.name === "uploading" ? FILE_BYTES - 1 : FILE_BYTES);
  expect(next.name === "done" ? sentBytes : FILE_BYTES).toBe(FILE_BYTES);
}

test("whatever happens in whatever order, bytes never look sent before they are, nor go back on their way", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
      let state: FileState = chosenFile(FILE_BYTES);
      for (const event of events) {
        const step = fileMachine(state, event);
        checkStep(state, step);
        state = step[0];
      }
    }),
    { numRuns: 3000 },
  );
});

test("any files in any states add up: chosen = done + failed + removed + waiting + on their way", () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyEvent, { maxLength: 12 }), { maxLength: 12 }), (histories) => {
      const states = histories.map((events) => after(...events));

      const tally = tallyOf(states.map((state) => ({ name: "a", state })));

      const open = states.filter((state) => !isEnded(state)).length;
      expect(tally.chosenCount).toBe(states.length);
      expect(tally.doneCount + tally.failedCount + tally.removedCount + open).toBe(tally.chosenCount);
      const isWhole = open === 0 && tally.doneCount > 0;
      expect(tally.percent === 100).toBe(isWhole);
    }),
  );
});

test("every byte sent is 99 percent until the last photo is confirmed", () => {
  expect(percentOf(1000, 1000, false)).toBe(99);
  expect(percentOf(1000, 1000, true)).toBe(100);
  expect(percentOf(989, 1000, false)).toBe(98);
  expect(percentOf(0, 0, false)).toBe(0);
});

/** Every pair of states that some event joins, as lines of a Mermaid diagram. */
function diagramLines(): string[] {
  const lines = new Map<string, Set<string>>();
  for (const [from, event] of CASES) {
    const [state, commands] = fileMachine(STATES[from], EVENTS[event]);
    const isMove = state.name !== STATES[from].name || commands.length > 0;
    if (!isMove) continue;
    const pair = `${STATES[from].name} --> ${state.name}`;
    lines.set(pair, (lines.get(pair) ?? new Set()).add(EVENTS[event].type));
  }
  return Array.from(lines, ([pair, events]) => `    ${pair}: ${[...events].sort().join(", ")}`).sort();
}

test("the diagram in docs/engine.md shows the table's moves and no others", () => {
  const page = readFileSync(new URL("../../../docs/engine.md", import.meta.url), "utf8");

  const [, drawn = ""] = /stateDiagram-v2\n([\s\S]*?)\n```/.exec(page) ?? [];

  expect(drawn.split("\n")).toEqual(["    [*] --> inspecting", ...diagramLines()]);
});

test("only what was handed to the slots is looked for in the store after a pause", () => {
  const [untouched, moving] = [TO_SLOT, TO_SENDING].map((events) =>
    after(...events, { type: "pause" }, { type: "resume" }),
  );

  expect([untouched?.way.isResumed, moving?.way.isResumed]).toEqual([false, true]);
});

const OF_YESTERDAY: Remembered = {
  fileBytes: FILE_BYTES,
  uploadId: "row-1",
  allowsDuplicate: false,
  end: null,
  isAtHand: true,
  isPaused: false,
};

test.each([
  ["its bytes are at hand", {}, "queued"],
  ["its bytes are not", { isAtHand: false }, "waiting"],
  ["its gallery was paused", { isPaused: true }, "paused"],
  ["it was confirmed", { end: { kind: "done", photoId: "p", isDuplicate: false }, isAtHand: false }, "done"],
  ["it was removed", { end: { kind: "removed" } }, "removed"],
] as const)("a remembered file, where %s, begins as %s", (_, change, name) => {
  expect(rememberedFile({ ...OF_YESTERDAY, ...change }).name).toBe(name);
});

test("a remembered file asks the store what it has before it sends anything", () => {
  const [state, commands] = fileMachine(rememberedFile(OF_YESTERDAY), registered("signed"));

  expect(commands).toEqual([{ type: "offer" }]);
  expect(state.way.isResumed).toBe(true);
});

test("a remembered file that was cancelled elsewhere does not come back by itself", () => {
  for (const change of [{}, { isAtHand: false }, { isPaused: true }]) {
    const cancelled: FileEvent = { type: "registered", row: row("cancelled", 7) };
    const news: FileEvent = { type: "row", row: row("cancelled", 7) };
    const [heard] = fileMachine(rememberedFile({ ...OF_YESTERDAY, ...change }), cancelled);

    expect(fileMachine(heard, news)[0].name).toBe("removed");
  }
});

test("a remembered file the server never heard of is registered as if just chosen", () => {
  const paused = rememberedFile({ ...OF_YESTERDAY, uploadId: null, isPaused: true });
  const [state] = fileMachine(paused, { type: "unregistered" });

  expect(fileMachine(state, { type: "resume" })[1]).toEqual([{ type: "inspect" }]);
});
