import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GIB, MIB } from "../kernel/units.ts";
import { nextToKeep, roomFor, toGiveBack } from "./keep-plan.ts";

const NO_LIMIT = Number.POSITIVE_INFINITY;

describe("the room for kept files", () => {
  test.each([
    { quotaBytes: 10 * GIB, usageBytes: 0, keptBytes: 0, roomBytes: 9 * GIB },
    { quotaBytes: 500 * MIB, usageBytes: 0, keptBytes: 0, roomBytes: 450 * MIB },
    { quotaBytes: 1000 * MIB, usageBytes: 500 * MIB, keptBytes: 0, roomBytes: 436 * MIB },
    { quotaBytes: 1000 * MIB, usageBytes: 500 * MIB, keptBytes: 500 * MIB, roomBytes: 400 * MIB },
    { quotaBytes: 1000 * MIB, usageBytes: 900 * MIB, keptBytes: 900 * MIB, roomBytes: 0 },
    { quotaBytes: 100 * MIB, usageBytes: 95 * MIB, keptBytes: 0, roomBytes: 0 },
    { quotaBytes: 0, usageBytes: 0, keptBytes: 0, roomBytes: 0 },
  ])("$roomBytes bytes of %o", ({ roomBytes, keptBytes, ...room }) => {
    expect(roomFor(room, keptBytes)).toBe(roomBytes);
  });

  test("is not known where the browser does not say", () => {
    expect(roomFor(null, 5 * GIB)).toBe(NO_LIMIT);
  });

  test("is filled to the same mark in one step and in many", () => {
    fc.assert(
      fc.property(anyRoom, fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (room, shares) => {
        const atOnce = roomFor(room, 0);
        let keptBytes = 0;
        for (const share of shares) {
          const usageBytes = room.usageBytes + keptBytes;
          keptBytes += Math.floor(share * roomFor({ ...room, usageBytes }, keptBytes));
        }

        expect(keptBytes).toBeLessThanOrEqual(atOnce);
      }),
    );
  });

  test("never is more than nine tenths of what is free", () => {
    fc.assert(
      fc.property(anyRoom, (room) => {
        const freeBytes = Math.max(0, room.quotaBytes - room.usageBytes);

        expect(roomFor(room, 0)).toBeLessThanOrEqual(0.9 * freeBytes);
      }),
    );
  });
});

describe("the next step", () => {
  test("is the first twenty", () => {
    const files = filesOf(Array.from({ length: 30 }, () => MIB));

    expect(nextToKeep(files, NO_LIMIT)).toEqual(files.slice(0, 20));
  });

  test.each([
    { lastBytes: 24 * MIB, count: 3 },
    { lastBytes: 24 * MIB + 1, count: 2 },
  ])("ends at 64 MiB: $lastBytes bytes more make $count files", ({ lastBytes, count }) => {
    const files = filesOf([20 * MIB, 20 * MIB, lastBytes, 1]);

    const step = nextToKeep(files, NO_LIMIT);

    expect(step.filter(({ sizeBytes }) => sizeBytes > 1)).toHaveLength(count);
  });

  test("takes a file that is larger than a step alone", () => {
    const files = filesOf([GIB, 1]);

    expect(nextToKeep(files, NO_LIMIT)).toEqual(files.slice(0, 1));
  });

  test.each([
    { roomBytes: 99, names: [1, 2] },
    { roomBytes: 100, names: [0] },
    { roomBytes: 101, names: [0] },
    { roomBytes: 130, names: [0, 1] },
    { roomBytes: 29, names: [] },
    { roomBytes: 0, names: [] },
  ])("in $roomBytes bytes passes over what does not fit", ({ roomBytes, names }) => {
    const step = nextToKeep(filesOf([100, 30, 40]), roomBytes);

    expect(step.map(({ name }) => name)).toEqual(names);
  });

  test("always begins with the earliest file that fits, and ends only when none does", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100 * MIB }), { maxLength: 60 }),
        fc.integer({ min: 0, max: GIB }),
        (sizes, roomBytes) => {
          const waiting = new Set(filesOf(sizes));
          let leftBytes = roomBytes;
          for (
            let step = nextToKeep(waiting, leftBytes);
            step.length > 0;
            step = nextToKeep(waiting, leftBytes)
          ) {
            const earliest = [...waiting].find(({ sizeBytes }) => sizeBytes <= leftBytes);
            expect(step[0]).toBe(earliest);
            expect(step.length).toBeLessThanOrEqual(20);
            for (const file of step) {
              waiting.delete(file);
              leftBytes -= file.sizeBytes;
            }
          }

          expect(leftBytes).toBeGreaterThanOrEqual(0);
          expect([...waiting].every(({ sizeBytes }) => sizeBytes > leftBytes)).toBe(true);
        },
      ),
    );
  });
});

describe("what is given back of a full browser", () => {
  test.each([
    { sizes: [50, 30, 20], names: [2] },
    { sizes: [80, 11, 9], names: [1, 2] },
    { sizes: [100], names: [] },
    { sizes: [1, 100], names: [1] },
    { sizes: [], names: [] },
    { sizes: [100 * MIB, 3 * MIB, MIB], names: [1, 2] },
    { sizes: [100 * MIB, 7, 3 * MIB, MIB - 1], names: [1, 2, 3] },
  ])("is a tenth of $sizes, or room for the records", ({ sizes, names }) => {
    expect(toGiveBack(filesOf(sizes)).map(({ name }) => name)).toEqual(names);
  });
});

const anyRoom = fc.record({
  quotaBytes: fc.integer({ min: 0, max: 100 * GIB }),
  usageBytes: fc.integer({ min: 0, max: 100 * GIB }),
});

function filesOf(sizes: readonly number[]): readonly { readonly name: number; readonly sizeBytes: number }[] {
  return sizes.map((sizeBytes, name) => ({ name, sizeBytes }));
}
