import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../kernel/clock.ts";
import { type PhotoPage, readPhoto, type WallPhoto } from "../ui/wall-photo.ts";
import { type GalleryFacts, PhotoStore } from "./photo-store.ts";

// As the server: every change raises the version, the list and the count are of one moment.
class Gallery {
  readonly clock = new ManualClock();
  readonly photos = new Map<string, WallPhoto>();
  version = 0;
  reads = 0;
  /** Answers are of the moment of asking, and come when they are let through. */
  isHeld = false;
  isAway = false;
  miscounted = 0;
  readonly #held: (() => void)[] = [];
  readonly store = new PhotoStore(
    { clock: this.clock, readPage: () => this.#page(), readFacts: () => this.#facts() },
    { status: "ready", order: "name" },
    () => {},
  );

  change(id: string, status = "ready"): object {
    this.version += 1;
    const row = photo(id, (this.photos.get(id)?.version ?? 0) + 1, status);
    this.photos.set(id, row);
    return photosMessage(this.version - 1, this.version, row);
  }

  get shown(): string[] {
    return this.store.photos.map(({ id }) => id);
  }

  get ready(): string[] {
    return this.#ready().map(({ id }) => id);
  }

  letThrough(): void {
    this.isHeld = false;
    for (const answer of this.#held.splice(0)) {
      answer();
    }
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 250) {
      this.clock.advance(250);
      await settled();
    }
  }

  page(): PhotoPage {
    return { photos: this.#ready(), nextCursor: null, version: this.version };
  }

  #ready(): WallPhoto[] {
    return [...this.photos.values()]
      .filter(({ status }) => status === "ready")
      .sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  async #page(): Promise<PhotoPage | null> {
    this.reads += 1;
    const page = this.isAway ? null : this.page();
    if (this.isHeld) {
      await new Promise<void>((resolve) => this.#held.push(resolve));
    }
    return page;
  }

  async #facts(): Promise<GalleryFacts | null> {
    return this.isAway ? null : { photoCount: this.ready.length + this.miscounted, version: this.version };
  }
}

describe("photos that wait to be published", () => {
  test("are read from the list, shown as it grows, and leave when they are published", async () => {
    const staged = ["a", "b"].map((id) => photo(id, 1, "staged"));
    const shown: string[][] = [];
    const clock = new ManualClock();
    const store: PhotoStore = new PhotoStore(
      {
        clock,
        readPage: async (cursor) =>
          cursor === null
            ? { photos: staged.slice(0, 1), nextCursor: "more", version: 4 }
            : { photos: staged.slice(1), nextCursor: null, version: 4 },
        readFacts: async () => ({ photoCount: null, version: 5 }),
      },
      { status: "staged", order: "name" },
      () => shown.push(store.photos.map(({ id }) => id)),
    );

    await store.begin(null);
    store.heard(photosMessage(4, 5, photo("a", 2, "ready")));
    clock.advance(60_000);
    await settled();

    expect(shown).toEqual([["a"], ["a", "b"], ["b"]]);
  });
});

describe("the photos of an open gallery", () => {
  test("keep what the socket told while the list was on its way", async () => {
    const gallery = await opened();
    gallery.change("a");
    gallery.isHeld = true;
    gallery.store.heard(gallery.change("b", "staged"));
    await gallery.pass(1_000);
    expect(gallery.reads).toBe(1);

    gallery.store.heard(gallery.change("c"));
    gallery.letThrough();
    await settled();

    expect(gallery.shown).toEqual(["a", "c"]);
  });

  test("remember a gap noticed while the list was read", async () => {
    const gallery = await opened();
    gallery.change("a");
    gallery.isHeld = true;
    gallery.store.heard(gallery.change("b"));
    await gallery.pass(1_000);

    gallery.change("c");
    gallery.store.heard(gallery.change("d"));
    gallery.letThrough();
    await gallery.pass(10_000);

    expect(gallery.shown).toEqual(["a", "b", "c", "d"]);
  });

  test("find what a joined message has hidden, once it is quiet", async () => {
    const gallery = await opened();
    gallery.change("lost");
    const { photos } = gallery.change("told") as { photos: WallPhoto[] };
    gallery.store.heard({ type: "photos", previous: 0, version: gallery.version, photos });
    expect(gallery.shown).toEqual(["told"]);

    await gallery.pass(4_000);

    expect(gallery.shown).toEqual(["lost", "told"]);
  });

  test("are asked for again after an answer that did not come", async () => {
    const gallery = await opened();
    gallery.isAway = true;
    gallery.change("a");
    gallery.store.heard(gallery.change("b"));
    await gallery.pass(2_000);

    gallery.isAway = false;
    await gallery.pass(20_000);

    expect(gallery.shown).toEqual(["a", "b"]);
  });

  test("do not come back by a list that is older than their deletion", async () => {
    const gallery = await opened();
    gallery.store.heard(gallery.change("a"));
    gallery.change("b");
    gallery.isHeld = true;
    gallery.store.heard(gallery.change("c"));
    await gallery.pass(1_000);

    gallery.store.heard(gallery.change("a", "deleted"));
    gallery.letThrough();
    await settled();

    expect(gallery.shown).toEqual(["b", "c"]);
  });

  test("leave when a list shows that they were deleted", async () => {
    const gallery = await opened();
    gallery.store.heard(gallery.change("a"));
    gallery.change("a", "deleted");
    gallery.store.heard(snapshot(gallery.version));

    await gallery.pass(1_000);

    expect(gallery.shown).toEqual([]);
  });

  test("do not come back by a message that is older than a list without them", async () => {
    const gallery = await opened();
    const late = gallery.change("a");
    gallery.change("a", "deleted");
    gallery.store.heard(gallery.change("e"));
    await gallery.pass(5_000);

    gallery.store.heard(late);
    await gallery.pass(30_000);

    expect(gallery.shown).toEqual(["e"]);
  });

  test("are not read again for messages that only overtook each other", async () => {
    const gallery = await opened();
    const [first, second] = [gallery.change("a"), gallery.change("b")];
    gallery.store.heard(second);
    await gallery.pass(500);
    gallery.store.heard(first);

    await gallery.pass(10_000);

    expect(gallery.reads).toBe(0);
    expect(gallery.shown).toEqual(["a", "b"]);
  });

  test("are read seldom, however many messages are lost", async () => {
    const gallery = await opened();
    for (let index = 0; index < 40; index += 1) {
      gallery.change(`lost${index}`);
      gallery.store.heard(gallery.change(`told${index}`));
      await gallery.pass(250);
    }
    await gallery.pass(10_000);

    expect(gallery.reads).toBeLessThan(7);
    expect(gallery.shown).toEqual(gallery.ready);
  });

  test("are not read for ever where the count of the server is wrong", async () => {
    const gallery = await opened();
    gallery.store.heard(gallery.change("a"));
    gallery.miscounted = 1;

    await gallery.pass(5_000);
    gallery.store.heard(snapshot(gallery.version));
    await gallery.pass(5_000);

    expect(gallery.reads).toBe(1);
  });

  test("end as those of the server, whatever is lost, late or doubled, and however slow the list is", async () => {
    const step = fc.record({
      id: fc.constantFrom("a", "b", "c", "d", "e"),
      status: fc.constantFrom("ready", "ready", "ready", "deleted"),
      fate: fc.constantFrom<Fate>("arrives", "lost", "twice", "late"),
      event: fc.constantFrom<Event>("hold", "let through", "wait", "nothing", "away", "back"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const gallery = await opened();
        const late: object[] = [];
        for (const { id, status, fate, event } of steps) {
          const message = gallery.change(id, status);
          deliver(gallery, message, fate, late);
          await meanwhile(gallery, event);
        }
        for (const message of late) gallery.store.heard(message);
        gallery.isAway = false;
        gallery.letThrough();
        gallery.store.checkSoon();

        await gallery.pass(30_000);

        expect(gallery.shown).toEqual(gallery.ready);
      }),
      { numRuns: 150 },
    );
  });
});

type Fate = "arrives" | "lost" | "twice" | "late";
type Event = "hold" | "let through" | "wait" | "nothing" | "away" | "back";

function deliver(gallery: Gallery, message: object, fate: Fate, late: object[]): void {
  const times = { arrives: 1, twice: 2, lost: 0, late: 0 }[fate];
  for (let time = 0; time < times; time += 1) gallery.store.heard(message);
  if (fate === "late") late.push(message);
}

async function meanwhile(gallery: Gallery, event: Event): Promise<void> {
  gallery.isHeld ||= event === "hold";
  if (event === "let through") gallery.letThrough();
  if (event === "away" || event === "back") gallery.isAway = event === "away";
  if (event === "wait") await gallery.pass(1_500);
}

async function opened(): Promise<Gallery> {
  const gallery = new Gallery();
  await gallery.store.begin(gallery.page());
  return gallery;
}

function snapshot(version: number): object {
  return { type: "snapshot", version };
}

function photosMessage(previous: number, version: number, row: WallPhoto): object {
  return { type: "photos", previous, version, photos: [row] };
}

function photo(id: string, version: number, status: string): WallPhoto {
  const read = readPhoto({ id, name: id, version, status });
  if (read === null) {
    throw new Error("no photo");
  }
  return read;
}

/** Everything that waits for an answer has had it. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.resolve();
  }
}
