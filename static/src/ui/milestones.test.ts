import { expect, test } from "vitest";
import type { GalleryTally } from "../engine/port.ts";
import { CHOSEN_WITHIN_MS, NOTHING_TOLD, nextMilestone } from "./milestones.ts";
import { tallyWith } from "./sample-uploads.ts";

test("an upload is told by its beginning, its quarters and its end", () => {
  expect(
    heard([
      sending(0),
      sending(0),
      sending(3),
      sending(24),
      sending(25),
      sending(26),
      sending(49),
      sending(80),
      sending(99),
      tallyWith({ done: 8 }, { percent: 100 }),
      tallyWith({ done: 8 }, { percent: 100 }),
    ]),
  ).toEqual(["Uploading 8 photos.", "25 percent uploaded.", "75 percent uploaded.", "8 photos safe."]);
});

test("a lost connection is told once, and its return", () => {
  const offline = { ...sending(40), waitingFor: "connection" } as const;

  expect(heard([sending(30), sending(30), offline, offline, sending(41)])).toEqual([
    "Uploading 8 photos.",
    "No connection. Uploading goes on by itself.",
    "Uploading goes on.",
  ]);
});

test("a quarter is not said twice where files are added", () => {
  expect(heard([sending(0), sending(0), sending(50), sending(30), sending(50), sending(75)])).toEqual([
    "Uploading 8 photos.",
    "50 percent uploaded.",
    "75 percent uploaded.",
  ]);
});

test("the next round begins anew", () => {
  const done = tallyWith({ done: 8 }, { percent: 100 });

  expect(heard([sending(60), sending(60), done, sending(10), sending(10), sending(25)])).toEqual([
    "Uploading 8 photos.",
    "8 photos safe.",
    "Uploading 8 photos.",
    "25 percent uploaded.",
  ]);
});

function sending(percent: number): GalleryTally {
  return tallyWith({ uploading: 8 }, { percent });
}

test("files that come in groups are told once, all of them", () => {
  const groups = [20, 140, 300, 300, 300, 300].map((uploading) => tallyWith({ uploading }, { percent: 30 }));

  expect(heard(groups, CHOSEN_WITHIN_MS / 2)).toEqual(["Uploading 300 photos."]);
});

/** Told at this distance: the first of them before it is known that no more come. */
function heard(totals: readonly GalleryTally[], everyMs = CHOSEN_WITHIN_MS): string[] {
  let told = NOTHING_TOLD;
  return totals.flatMap((total, index) => {
    const next = nextMilestone(told, total, index * everyMs);
    told = next.told;
    return next.sentence === "" ? [] : [next.sentence];
  });
}
