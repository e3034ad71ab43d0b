import fc from "fast-check";
import { expect, test } from "vitest";
import { type Feed, type FeedEvent, feed, newFeed } from "./feed.ts";

function after(...events: readonly FeedEvent[]): Feed {
  return events.reduce((state, event) => feed(state, event)[0], newFeed);
}

function asksForList(state: Feed, event: FeedEvent): boolean {
  return feed(state, event)[1].length > 0;
}

const KNOWN = after({ type: "list_read", version: 5 });

test("the first word of a gallery asks for its list", () => {
  expect(asksForList(newFeed, { type: "snapshot", version: 1 })).toBe(true);
});

test("a snapshot of the known version asks for nothing", () => {
  expect(asksForList(KNOWN, { type: "snapshot", version: 5 })).toBe(false);
  expect(asksForList(KNOWN, { type: "snapshot", version: 6 })).toBe(true);
});

test("the next change is taken, one with a gap before it asks for the list", () => {
  expect(feed(KNOWN, { type: "change", previous: 5, version: 8 })).toEqual([
    { version: 8, isBehind: false },
    [],
  ]);
  expect(feed(KNOWN, { type: "change", previous: 3, version: 8 })).toEqual([
    { version: 8, isBehind: false },
    [],
  ]);
  expect(asksForList(KNOWN, { type: "change", previous: 6, version: 8 })).toBe(true);
});

test("a change that is known already changes nothing", () => {
  expect(feed(KNOWN, { type: "change", previous: 3, version: 5 })).toEqual([KNOWN, []]);
});

test("a change that comes while the list is read is read again", () => {
  const behind = after({ type: "list_read", version: 5 }, { type: "change", previous: 7, version: 8 });

  expect(asksForList(behind, { type: "change", previous: 8, version: 9 })).toBe(true);
});

// I7: the client holds the rows of every message it got and of every list it read; at the end it has them all.
test("whatever is lost, doubled or out of order, the client ends where the server is", () => {
  const journey = fc.array(fc.constantFrom("arrives", "lost", "twice", "late"), {
    minLength: 1,
    maxLength: 30,
  });
  fc.assert(
    fc.property(journey, (fates) => {
      const client = new Client();
      const late: FeedEvent[] = [];
      fates.forEach((fate, index) => {
        client.serverVersion = index + 1;
        const event: FeedEvent = { type: "change", previous: index, version: index + 1 };
        if (fate === "late") late.push(event);
        if (fate === "arrives" || fate === "twice") client.take(event);
        if (fate === "twice") client.take(event);
      });
      for (const event of late) client.take(event);

      client.take({ type: "snapshot", version: client.serverVersion });

      expect(client.seen).toEqual(new Set(fates.map((_, index) => index + 1)));
      expect(client.state).toEqual({ version: fates.length, isBehind: false });
    }),
  );
});

class Client {
  serverVersion = 0;
  state: Feed = after({ type: "list_read", version: 0 });
  readonly seen = new Set<number>();

  take(event: FeedEvent): void {
    if (event.type === "change") this.seen.add(event.version);
    const [state, commands] = feed(this.state, event);
    this.state = state;
    if (commands.length > 0) this.#readList();
  }

  #readList(): void {
    for (let version = 1; version <= this.serverVersion; version += 1) this.seen.add(version);
    this.state = feed(this.state, { type: "list_read", version: this.serverVersion })[0];
  }
}
