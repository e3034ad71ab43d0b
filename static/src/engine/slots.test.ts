import { expect, test } from "vitest";
import { ManualClock } from "../kernel/clock.ts";
import { type Load, type Release, Slots } from "./slots.ts";

const OWN = "https://photos.test";
const STORE = "https://store.test";

function slotsAt(clock: ManualClock): Slots {
  return new Slots({ ownOrigin: OWN, clock, random: () => 0 });
}

/** How many of so many requests are let through now, and how to end the first of them. */
async function admitted(slots: Slots, origin: string, load: Load, count: number): Promise<Release[]> {
  const releases: Release[] = [];
  for (let index = 0; index < count; index += 1) {
    void slots.acquire(origin, load).then((release) => {
      if (release !== null) releases.push(release);
    });
  }
  await new Promise((resolve) => setImmediate(resolve));
  return releases;
}

test.each([
  [STORE, "bytes", 6],
  [OWN, "bytes", 4],
  [OWN, "call", 5],
] as const)("%s takes so many %s at once: %i", async (origin, load, most) => {
  expect(await admitted(slotsAt(new ManualClock()), origin, load, 20)).toHaveLength(most);
});

test("a refusal for load halves the bodies of that origin, and of no other", async () => {
  const slots = slotsAt(new ManualClock());

  slots.throttle(STORE, 0, 0);

  expect(await admitted(slots, STORE, "bytes", 20)).toHaveLength(3);
  expect(await admitted(slots, OWN, "bytes", 20)).toHaveLength(4);
});

test.each(["call", "bytes"] as const)(
  "while the origin rests no %s leaves, and then all do",
  async (load) => {
    const clock = new ManualClock();
    const slots = slotsAt(clock);
    slots.rest(OWN, 7000);
    const releases = await admitted(slots, OWN, load, 3);
    expect(releases).toHaveLength(0);

    clock.advance(6999);
    await new Promise((resolve) => setImmediate(resolve));
    expect(releases).toHaveLength(0);
    clock.advance(1);
    await new Promise((resolve) => setImmediate(resolve));

    expect(releases).toHaveLength(3);
  },
);

test("a call finds room beside bodies however slow their pace is", async () => {
  const slots = slotsAt(new ManualClock());
  for (let round = 0; round < 5; round += 1) slots.throttle(OWN, round, 0);
  expect(await admitted(slots, OWN, "bytes", 5)).toHaveLength(1);

  expect(await admitted(slots, OWN, "call", 5)).toHaveLength(4);
});

test("what goes well opens the way again", async () => {
  const slots = slotsAt(new ManualClock());
  slots.throttle(STORE, 0, 0);
  const releases = await admitted(slots, STORE, "bytes", 20);

  for (let stored = 0; stored < 12; stored += 1) slots.wentWell(STORE);
  await new Promise((resolve) => setImmediate(resolve));

  expect(releases).toHaveLength(6);
});
