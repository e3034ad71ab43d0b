// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { type MakePicture, Previews } from "./previews.ts";

const FILE = new Blob(["photo"]);

const MANY = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

test("eight are asked for at a time, and only what is in view", async () => {
  const { make, asked, finish } = maker();
  const previews = new Previews(make);
  offerAll(previews, [...MANY, "never in view"]);

  const drawn: string[] = [];
  for (const id of MANY) {
    previews.show(id, canvas(), () => drawn.push(id));
  }
  expect(asked()).toBe(8);
  await finish();
  expect(asked()).toBe(9);
  for (const _ of MANY) {
    await finish();
  }

  expect(drawn).toEqual(MANY);
  expect(asked()).toBe(10);
});

test("what was scrolled away before its turn is never made", async () => {
  const { make, asked, finish } = maker();
  const previews = new Previews(make);
  offerAll(previews, MANY);
  const leaves = MANY.map((id) => previews.show(id, canvas()));

  leaves.at(-1)?.();
  for (const _ of MANY) {
    await finish();
  }

  expect(asked()).toBe(9);
});

test("a file that comes after its row is drawn then", async () => {
  const { make, finish } = maker();
  const previews = new Previews(make);
  const place = canvas();
  let isDrawn = false;
  previews.show("a", place, () => {
    isDrawn = true;
  });

  previews.offer("a", FILE);
  await finish();

  expect(isDrawn).toBe(true);
  expect(place.width).toBe(240);
});

test("what has arrived and is not at hand is drawn from its photo, a file that is from itself", async () => {
  const asked: unknown[] = [];
  const previews = new Previews(async (source) => {
    asked.push(source);
    return null;
  });
  previews.offer("at hand", FILE);

  for (const id of ["at hand", "arrived"]) {
    previews.offerPhoto(id, `photo of ${id}`);
    previews.offerPhoto(id, `photo of ${id}`);
    previews.show(id, canvas());
  }

  expect(asked).toEqual([FILE, { photoId: "photo of arrived" }]);
});

test("a picture is drawn in every place, and again without being made again", async () => {
  const { make, asked, finish } = maker();
  const previews = new Previews(make);
  offerAll(previews, ["a"]);
  const places = [canvas(), canvas(), canvas()] as const;
  previews.show("a", places[0]);
  previews.show("a", places[1]);
  await finish();

  previews.show("a", places[2]);

  expect(places.map(({ width }) => width)).toEqual([240, 240, 240]);
  expect(asked()).toBe(1);
});

test("what can't be shown is tried once, until the file is chosen again", async () => {
  const { make, asked, finish } = maker();
  const previews = new Previews(make);
  offerAll(previews, ["a"]);
  previews.show("a", canvas());
  await finish(null);
  previews.show("a", canvas());
  expect(asked()).toBe(1);

  previews.offer("a", FILE);

  expect(asked()).toBe(2);
});

test("only so many are kept, and the oldest give their memory back", async () => {
  const { make, finish, closed } = maker();
  const previews = new Previews(make);
  const ids = Array.from({ length: 100 }, (_, index) => `file-${index}`);
  offerAll(previews, ids);

  for (const id of ids) {
    previews.show(id, canvas());
    await finish();
  }

  expect(closed()).toBe(4);
});

function offerAll(previews: Previews, ids: readonly string[]): void {
  for (const id of ids) {
    previews.offer(id, FILE);
  }
}

function canvas(): HTMLCanvasElement {
  return document.createElement("canvas");
}

/** Makes pictures when it is told to, in the order in which they were asked for. */
function maker() {
  const waiting: ((picture: ImageBitmap | null) => void)[] = [];
  let askedCount = 0;
  let closedCount = 0;
  const picture = (): ImageBitmap =>
    ({
      width: 240,
      height: 160,
      close: () => {
        closedCount += 1;
      },
    }) as ImageBitmap;
  const make: MakePicture = () => {
    askedCount += 1;
    return new Promise((resolve) => waiting.push(resolve));
  };
  const finish = async (made: ImageBitmap | null = picture()): Promise<void> => {
    waiting.shift()?.(made);
    await Promise.resolve();
    await Promise.resolve();
  };
  return { make, finish, asked: () => askedCount, closed: () => closedCount };
}
