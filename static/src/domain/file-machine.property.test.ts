import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { Runner } from "../kernel/machine.ts";
import { failureHere } from "./failure.ts";
import { chosenFile, type FileCommand, type FileEvent, type FileState, fileMachine } from "./file-machine.ts";
import { planParts } from "./part-plan.ts";
import { tallyOf } from "./tally.ts";
import type { UploadRowState } from "./wire.ts";

// A file's machine in its runner, and around it the smallest world that performs commands: a server's row, a store's
// parts, a disk. Histories are lists of numbers, so that any can be shortened and run again.

// Ten thousand histories take two seconds of a free core.
vi.setConfig({ testTimeout: 60_000 });

const FILE_BYTES = 20 * 1024 * 1024; // three parts
const PLAN = planParts(FILE_BYTES);
/** Enough for every resend, rest and round of any file that is not stuck. */
const KIND_ROUNDS = 200;

type Row = { state: UploadRowState; version: number; code: string | null };

class World {
  readonly runner: Runner<FileState, FileEvent, FileCommand>;
  /** Commands not performed yet, oldest first. */
  pending: FileCommand["type"][] = [];
  /** Everything the machine was ever told, to be told again late. */
  readonly told: FileEvent[] = [];
  row: Row | null = null;
  readonly parts = new Set<number>();
  isReadable = true;

  constructor() {
    this.runner = new Runner(fileMachine, chosenFile(FILE_BYTES), ({ type }) => this.#ask(type));
    this.pending.push("inspect");
  }

  get state(): FileState {
    return this.runner.state;
  }

  tell(event: FileEvent): void {
    this.told.push(event);
    this.runner.dispatch(event);
  }

  #ask(type: FileCommand["type"]): void {
    if (type === "withdraw") this.pending = this.pending.filter((one) => one !== "offer" && one !== "rest");
    else this.pending.push(type);
  }

  /** Performs a command as the server and the store do; `isKind`: nothing goes wrong. */
  perform(type: FileCommand["type"], isKind: boolean, dice: number): void {
    switch (type) {
      case "inspect":
        this.tell(this.isReadable ? { type: "inspected" } : { type: "unreadable" });
        break;
      case "register":
        this.#register();
        this.#answer(isKind, dice);
        break;
      case "reopen":
        if (this.row?.state === "failed") this.#move("signed");
        this.#answer(isKind, dice);
        break;
      case "offer":
        this.#send(isKind, dice);
        break;
      case "complete":
        if (this.row?.state === "signed") this.#move("uploaded");
        this.#sayRow();
        break;
      case "cancel":
        if (this.row !== null && this.row.state !== "verified") this.#move("cancelled");
        break;
      case "rest":
        this.tell({ type: "pause_over" });
        break;
      case "withdraw":
        break;
    }
  }

  #register(): void {
    const isOver = this.row !== null && ["failed", "cancelled", "expired"].includes(this.row.state);
    if (this.row === null) this.row = { state: "registered", version: 1, code: null };
    else if (isOver) this.#move("registered");
    if (isOver) this.parts.clear();
  }

  #answer(isKind: boolean, dice: number): void {
    if (!isKind && dice < 20) this.tell({ type: "refused", failure: failureHere("server_error") });
    else if (this.row !== null) this.tell({ type: "registered", row: this.#news(this.row) });
  }

  /** The slots: sign, and send what is missing. */
  #send(isKind: boolean, dice: number): void {
    this.tell({ type: "started" });
    if (this.row === null) return;
    if (!this.isReadable) {
      this.tell({ type: "unreadable" });
      return;
    }
    if (this.row.state === "registered") this.#move("signed");
    if (this.row.state !== "signed") {
      this.#sayRow();
      return;
    }
    this.tell({ type: "signed", plan: PLAN, storedParts: [...this.parts] });
    for (let number = 1; number <= PLAN.partCount; number += 1) {
      if (!isKind && (dice + number) % 3 === 0) {
        this.tell({ type: "store_failed" });
        return;
      }
      this.parts.add(number);
      this.tell({ type: "part_stored", number });
    }
  }

  /** The worker looks: kind, or with a verdict of its own. */
  verify(isKind: boolean, dice: number): void {
    if (this.row?.state !== "uploaded") return;
    const codes = ["object_missing", "checksum_mismatch", "decoder_died", "not_an_image"];
    const code = isKind ? null : (codes[dice % (codes.length * 2)] ?? null);
    this.#move(code === null ? "verified" : "failed", code);
    if (code !== null) this.parts.clear();
    this.#sayRow();
  }

  expire(): void {
    if (this.row?.state === "signed" || this.row?.state === "registered") this.#move("expired");
    this.parts.clear();
    this.#sayRow();
  }

  /** Another device had the server look: bytes are needed after all. */
  takeBack(): void {
    if (this.row?.state !== "uploaded") return;
    this.#move("signed");
    this.parts.clear();
    this.#sayRow();
  }

  #move(state: UploadRowState, code: string | null = null): void {
    if (this.row !== null) this.row = { state, version: this.row.version + 1, code };
  }

  #sayRow(): void {
    if (this.row !== null) this.tell({ type: "row", row: this.#news(this.row) });
  }

  #news({ state, version, code }: Row) {
    const failure = code === null ? null : { code, retryable: code !== "not_an_image", photoId: null };
    return { id: "row", state, version, failure, photoId: state === "verified" ? "photo" : null };
  }

  /** Nothing goes wrong any more, and a person resumes what was paused. */
  turnKind(): void {
    this.isReadable = true;
    this.tell({ type: "back" });
    this.tell({ type: "resume" });
    for (let round = 0; round < KIND_ROUNDS; round += 1) {
      const next = this.pending.shift();
      if (next !== undefined) this.perform(next, true, 0);
      else if (this.row?.state === "uploaded") this.verify(true, 0);
      else this.#sayRow(); // the list, read now and then
    }
  }
}

const PERSON = ["pause", "resume", "remove", "retry", "keep_both", "chosen"] as const;

/** What can happen; `dice` decides how. Commands are performed most often, out of order, well or not. */
const HAPPENINGS: readonly ((world: World, dice: number) => void)[] = [
  performOne,
  performOne,
  performOne,
  performOne,
  (world, dice) => {
    const late = world.told[dice % Math.max(1, world.told.length)];
    if (late !== undefined) world.runner.dispatch(late);
  },
  (world, dice) => world.verify(dice % 3 === 0, dice),
  (world, dice) =>
    world.tell(
      dice % 2 === 0 ? { type: "away", why: dice % 4 === 0 ? "offline" : "sign_in" } : { type: "back" },
    ),
  (world, dice) => {
    world.isReadable = dice % 4 !== 0;
  },
  (world, dice) => {
    if (dice % 5 === 0) world.expire();
    else world.takeBack();
  },
  (world, dice) => world.tell({ type: PERSON[dice % PERSON.length] ?? "pause" }),
];

function performOne(world: World, dice: number): void {
  const [taken] = world.pending.splice(dice % Math.max(1, world.pending.length), 1);
  if (taken !== undefined) world.perform(taken, dice % 2 === 0, dice);
}

function happen(world: World, kind: number, dice: number): void {
  HAPPENINGS[kind]?.(world, dice);
}

const history = fc.array(fc.tuple(fc.nat(HAPPENINGS.length - 1), fc.nat(99)), { maxLength: 40 });

function lived(events: readonly (readonly [number, number])[]): World {
  const world = new World();
  for (const [kind, dice] of events) happen(world, kind, dice);
  return world;
}

const CONVERGED: ReadonlySet<FileState["name"]> = new Set(["done", "failed", "removed", "invalid"]);

test("whatever has happened, once the world is kind every file comes to an end", () => {
  fc.assert(
    fc.property(history, (events) => {
      const world = lived(events);

      world.turnKind();

      const { state } = world;
      const isEnd = CONVERGED.has(state.name) || (state.name === "waiting" && state.why === "file_needed");
      expect(isEnd, JSON.stringify({ state: state.name, row: world.row, pending: world.pending })).toBe(true);
      if (state.name === "done") expect(world.row?.state).toBe("verified");
    }),
    { numRuns: 10_000, seed: 20261121 },
  );
});

test("at every moment of any history the counts add up", () => {
  fc.assert(
    fc.property(fc.array(history, { minLength: 1, maxLength: 4 }), (histories) => {
      const worlds = histories.map(() => new World());
      const longest = Math.max(...histories.map(({ length }) => length));
      for (let step = 0; step < longest; step += 1) {
        worlds.forEach((world, index) => {
          const [kind, dice] = histories[index]?.[step] ?? [];
          if (kind !== undefined && dice !== undefined) happen(world, kind, dice);
        });
        checkSums(worlds);
      }
    }),
    { numRuns: 2_500, seed: 20261122 },
  );
});

function checkSums(worlds: readonly World[]): void {
  const tally = tallyOf(worlds.map(({ state }) => ({ name: "a", state })));
  const { inspecting, queued, signing, uploading, confirming, waiting, paused } = tally.files;
  const open = inspecting + queued + signing + uploading + confirming + waiting + paused;
  expect(tally.doneCount + tally.failedCount + tally.removedCount + open).toBe(worlds.length);
  expect(tally.chosenCount).toBe(worlds.length);
  expect(tally.bytesSent).toBeLessThanOrEqual(tally.bytesTotal);
  expect(tally.percent === 100).toBe(open === 0 && tally.doneCount > 0);
}
