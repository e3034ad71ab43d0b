// @vitest-environment happy-dom
import { expect, test } from "vitest";
import type { Totals } from "../domain/wire.ts";
import { ManualClock } from "../kernel/clock.ts";
import { ElsewhereLine, elsewhereWords } from "./elsewhere-line.ts";

const SENDING: Totals = {
  bytes: 4_100_000_000,
  bytesTotal: 5_000_000_000,
  files: { signed: 172, verified: 1_032, failed: 3 },
  bytesPerS: 12_400_000,
  secondsLeft: 72,
  stagedCount: 0,
  photoCount: 0,
  byteCount: 0,
};

test("what another device sends is told in one line", () => {
  expect(elsewhereWords(SENDING).replaceAll("\u00a0", " ")).toBe(
    "Arriving from another device: 1,032 of 1,204 · 4.1 GB of 5.0 GB · 12 MB/s · about 1 min",
  );
  expect(elsewhereWords({ ...SENDING, bytesPerS: null, secondsLeft: null })).not.toContain("/s");
});

test("the page says how far it is, until it is over", () => {
  const { page, line, elsewhere } = shown();

  elsewhere.heard({ type: "progress", totals: SENDING });
  expect(page.dataset["elsewherePercent"]).toBe("82");
  expect(line.hidden).toBe(false);
  elsewhere.heard({ type: "progress", totals: { ...SENDING, files: { verified: 1_204 } } });

  expect(page.dataset["elsewherePercent"]).toBeUndefined();
  expect(line.hidden).toBe(true);
});

test("it is not said where this browser sends itself, nor of what nobody has heard for a while", () => {
  const { line, elsewhere, clock } = shown();
  elsewhere.tellBusyHere(true);
  elsewhere.heard({ type: "progress", totals: SENDING });
  expect(line.hidden).toBe(true);

  elsewhere.tellBusyHere(false);
  expect(line.hidden).toBe(true);
  elsewhere.heard({ type: "progress", totals: { ...SENDING, bytes: 4_200_000_000 } });
  clock.advance(14_999);
  expect(line.hidden).toBe(false);
  clock.advance(1);

  expect(line.hidden).toBe(true);
});

test("where no socket opens, what differs from one snapshot to the next is moving", () => {
  const { page, line, elsewhere } = shown();
  const left = { ...SENDING, bytesPerS: null, secondsLeft: null };

  elsewhere.heard({ type: "snapshot", totals: left });
  elsewhere.heard({ type: "snapshot", totals: left });
  expect(line.hidden).toBe(true);
  elsewhere.heard({ type: "snapshot", totals: { ...left, bytes: 4_200_000_000 } });
  expect(page.dataset["elsewherePercent"]).toBe("84");
  elsewhere.heard({ type: "snapshot", totals: { ...left, files: { verified: 1_204 } } });

  expect(line.hidden).toBe(true);
});

test("bytes that move now are told of by the first snapshot", () => {
  const { page, elsewhere } = shown();

  elsewhere.heard({ type: "snapshot", totals: SENDING });

  expect(page.dataset["elsewherePercent"]).toBe("82");
});

test("what stands still is not arriving, whatever speed it is told with", () => {
  const { line, elsewhere, clock } = shown();
  elsewhere.heard({ type: "snapshot", totals: SENDING });
  expect(line.hidden).toBe(false);

  for (const type of ["progress", "snapshot", "progress"]) {
    clock.advance(5_000);
    elsewhere.heard({ type, totals: SENDING });
  }
  expect(line.hidden).toBe(true);
  elsewhere.heard({ type: "progress", totals: { ...SENDING, files: { signed: 171, verified: 1_033 } } });

  expect(line.hidden).toBe(false);
});

test("other messages change nothing", () => {
  const { line, elsewhere } = shown();

  elsewhere.heard({ type: "photos", previous: 1, version: 2, photos: [] });

  expect(line.hidden).toBe(true);
});

function shown() {
  const page = document.createElement("main");
  const line = document.createElement("p");
  line.hidden = true;
  const clock = new ManualClock();
  return { page, line, clock, elsewhere: new ElsewhereLine(page, line, clock) };
}
