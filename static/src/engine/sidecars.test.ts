import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, test } from "vitest";
import { MAX_SIDECAR_BYTES, MAX_SIDECARS } from "../domain/limits.ts";
import { type Journal, openJournal } from "../io/journal.ts";
import { HOUR_MS } from "../kernel/units.ts";
import { FakeWorld, GALLERY_ID, photoBytes } from "./fake-world.ts";
import { Memory } from "./memory.ts";
import type { ChosenFile, ReceiptLine, RowView, SidecarsReport } from "./port.ts";

const DATE_MS = 1_760_000_000_000;

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

/** A browser whose engines, one after another, share one journal. */
class Browser extends FakeWorld {
  #journal: Journal | null = null;
  #choiceCount = 0;

  async visit(): Promise<void> {
    this.#journal?.close();
    const open = async (onClosed: () => void): Promise<Journal | null> => {
      this.#journal = await openJournal("owner", { onClosed });
      return this.#journal;
    };
    const memory = new Memory({ clock: this.clock, open, room: () => Promise.resolve(null) });
    this.reports.length = 0;
    this.startEngine({ memory, userId: "owner" });
    await this.turn();
  }

  /** As the page does with what a person chose at once. */
  choose(...files: readonly ChosenFile[]): void {
    this.#choiceCount += 1;
    const choiceId = `choice-${this.#choiceCount}`;
    const isNotes = ({ file }: ChosenFile): boolean => file.name.endsWith(".xmp");
    const photos = files.filter((each) => !isNotes(each));
    const notes = files.filter(isNotes);
    const gallery = { galleryId: GALLERY_ID, choiceId };
    if (photos.length > 0) this.send({ type: "add", ...gallery, title: "Wedding", files: photos });
    if (notes.length > 0) this.send({ type: "sidecars", ...gallery, files: notes });
  }

  told(): SidecarsReport | undefined {
    return this.reports.filter((report) => report.type === "sidecars").at(-1);
  }

  async untilKept(count: number): Promise<void> {
    await this.until(() => this.told()?.keptCount === count && this.told()?.waitingCount === 0);
  }

  async untilTold(code: string): Promise<readonly string[]> {
    const find = () => this.told()?.problems.find((problem) => problem.code === code)?.names;
    await this.until(() => find() !== undefined);
    return find() ?? [];
  }

  /** Beside which photo notes lie: its name, their name and their text. */
  kept(): string[] {
    const nameOf = (uploadId: string): string => this.rows.get(uploadId)?.name ?? uploadId;
    return Array.from(this.sidecars, ([key, text]) => {
      const [uploadId = "", name] = key.split("/");
      return `${nameOf(uploadId)} ${name} ${text}`;
    }).sort();
  }

  async receipt(): Promise<readonly ReceiptLine[]> {
    this.reports.length = 0;
    this.send({ type: "receipt", galleryId: GALLERY_ID });
    await this.until(() => this.reports.some(({ type }) => type === "receipt"));
    return this.reports.flatMap((report) => (report.type === "receipt" ? report.lines : []));
  }
}

function shot(path: string, seed: number, byteCount = 2_000): ChosenFile {
  return chosen(path, new Uint8Array(photoBytes(byteCount, seed)));
}

function notes(path: string, text = "<x:xmpmeta >", lastModified = DATE_MS): ChosenFile {
  return chosen(path, text, lastModified);
}

function chosen(path: string, content: BlobPart, lastModified = DATE_MS): ChosenFile {
  const file = new File([content], path.slice(path.lastIndexOf("/") + 1), { lastModified });
  return { file, relativePath: path };
}

function rowWith(browser: Browser, name: string): RowView | undefined {
  return browser.rowViews().find((row) => row.name.includes(name));
}

async function browserWith(...files: readonly ChosenFile[]): Promise<Browser> {
  const browser = new Browser();
  await browser.visit();
  browser.choose(...files);
  return browser;
}

describe("notes", () => {
  test("go to every photo of their shot, once, and the row says so", async () => {
    const browser = await browserWith(
      shot("day/IMG_1.JPG", 1),
      shot("day/IMG_1.CR3", 2),
      shot("day/IMG_2.JPG", 3),
      notes("day/IMG_1.xmp"),
    );

    await browser.untilComplete();
    await browser.untilKept(1);

    expect(browser.kept()).toEqual(["IMG_1.CR3 IMG_1.xmp <x:xmpmeta >", "IMG_1.JPG IMG_1.xmp <x:xmpmeta >"]);
    expect(browser.callsTo("/sidecars")).toHaveLength(2);
    expect(rowWith(browser, "IMG_1")?.sidecars).toEqual([{ name: "IMG_1.xmp", state: "kept", reason: null }]);
    expect(rowWith(browser, "IMG_2")?.sidecars).toBeUndefined();
  });

  test("go before their photo is there, as soon as the server knows of it", async () => {
    const browser = await browserWith(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"));
    browser.onPut = () => "lost";

    await browser.untilKept(1);

    expect(browser.rowNamed("IMG_1.JPG")?.state).toBe("signed");
  });

  test("keep every byte, the mark at their beginning too", async () => {
    const text = "\ufeff<?xpacket begin=''?>\r\n<x:xmpmeta >Größe</x:xmpmeta>";
    const browser = await browserWith(shot("IMG_1.JPG", 1), notes("IMG_1.xmp", text));

    await browser.untilKept(1);

    expect([...browser.sidecars.values()]).toEqual([text]);
  });

  test("of two cards with the same names go to the photo that was chosen with them", async () => {
    const browser = await browserWith(shot("IMG_1.JPG", 1), notes("IMG_1.xmp", "<x:xmpmeta >one"));
    await browser.untilKept(1);
    browser.choose(shot("IMG_1.JPG", 2, 3_000), notes("IMG_1.xmp", "<x:xmpmeta >other"));

    await browser.until(() => browser.sidecars.size === 2);

    const byPhotoBytes = Array.from(browser.sidecars, ([key, text]) => [
      browser.rows.get(key.split("/")[0] ?? "")?.size,
      text,
    ]);
    expect(byPhotoBytes).toEqual([
      [2_000, "<x:xmpmeta >one"],
      [3_000, "<x:xmpmeta >other"],
    ]);
  });

  test("wait while their photo is held by a person", async () => {
    const browser = await browserWith();
    browser.send({ type: "add", galleryId: GALLERY_ID, title: "Wedding", files: [shot("IMG_1.JPG", 1)] });
    browser.send({ type: "pause", galleryId: GALLERY_ID });
    browser.choose(notes("IMG_1.xmp"));
    await browser.pass(20_000);
    expect(browser.callsTo("/sidecars")).toEqual([]);

    browser.send({ type: "resume", galleryId: GALLERY_ID });

    await browser.untilKept(1);
  });

  test("of a file that turns out to be a copy go to the photo that was there", async () => {
    const browser = await browserWith();
    browser.verdict = () => "duplicate";
    browser.choose(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"));

    await browser.until(() => browser.sidecars.has("the-photo-that-was-there/IMG_1.xmp"));
    await browser.untilKept(1);
  });

  test("are not sent once their photo was removed", async () => {
    const browser = await browserWith();
    browser.send({ type: "pause", galleryId: GALLERY_ID });
    browser.choose(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"));
    browser.send({ type: "remove", galleryId: GALLERY_ID });
    browser.send({ type: "resume", galleryId: GALLERY_ID });

    await browser.pass(20_000);

    expect(browser.callsTo("/sidecars")).toEqual([]);
    expect(browser.told()).toMatchObject({ keptCount: 0, waitingCount: 0, problems: [] });
  });
});

describe("chosen later", () => {
  test("notes find the photos of this visit", async () => {
    const browser = await browserWith(shot("day/IMG_1.JPG", 1));
    await browser.untilComplete();

    browser.choose(notes("IMG_1.xmp"));

    await browser.untilKept(1);
    expect(browser.kept()).toEqual(["IMG_1.JPG IMG_1.xmp <x:xmpmeta >"]);
  });

  test("notes find photos that only the server knows", async () => {
    const before = await browserWith(shot("day/IMG_1.JPG", 1), shot("day/IMG_1.CR3", 2));
    await before.untilComplete();
    globalThis.indexedDB = new IDBFactory();
    await before.visit();

    before.choose(notes("IMG_1.xmp"));

    await before.untilKept(1);
    expect(before.kept()).toEqual(["IMG_1.CR3 IMG_1.xmp <x:xmpmeta >", "IMG_1.JPG IMG_1.xmp <x:xmpmeta >"]);
  });

  test("changed notes replace what was kept, unchanged ones are not sent again", async () => {
    const all = [shot("IMG_1.JPG", 1), shot("IMG_2.JPG", 2)];
    const browser = await browserWith(...all, notes("IMG_1.xmp"), notes("IMG_2.xmp"));
    await browser.untilKept(2);

    const changed = notes("IMG_2.xmp", "<x:xmpmeta >2", DATE_MS + 1);
    browser.choose(...all, notes("IMG_1.xmp"), changed);
    await browser.until(() => browser.callsTo("/sidecars").length === 3);
    await browser.untilKept(2);

    expect(browser.kept()).toEqual(["IMG_1.JPG IMG_1.xmp <x:xmpmeta >", "IMG_2.JPG IMG_2.xmp <x:xmpmeta >2"]);
    expect(browser.callsTo("/sidecars")).toHaveLength(3);
  });

  test("notes without a photo say so, and those of an earlier choice no more", async () => {
    const browser = await browserWith(shot("IMG_1.JPG", 1), notes("IMG_7.xmp"), notes("IMG_8.xmp"));
    expect(await browser.untilTold("no_photo")).toEqual(["IMG_7.xmp", "IMG_8.xmp"]);

    browser.choose(notes("IMG_9.xmp"));

    await browser.until(() => browser.told()?.problems[0]?.names[0] === "IMG_9.xmp");
    expect(browser.told()?.problems).toEqual([{ code: "no_photo", names: ["IMG_9.xmp"] }]);
    expect(browser.sidecars.size).toBe(0);
  });

  test("notes that several photos could be meant by go to none", async () => {
    const browser = await browserWith(shot("a/IMG_1.JPG", 1), shot("b/IMG_1.JPG", 2, 3_000));
    await browser.untilComplete();

    browser.choose(notes("IMG_1.xmp"));

    expect(await browser.untilTold("several_photos")).toEqual(["IMG_1.xmp"]);
    expect(browser.sidecars.size).toBe(0);
  });
});

describe("a refusal", () => {
  test.each([
    ["too large", notes("IMG_1.xmp", "<x:xmpmeta >".padEnd(MAX_SIDECAR_BYTES + 1)), "sidecar_too_large"],
    ["no text", chosen("IMG_1.xmp", new Uint8Array([0xff, 0xfe, 0x3c])), "not_xmp"],
  ])("of what is %s is told without asking, and harms no photo", async (_, file, code) => {
    const browser = await browserWith(shot("IMG_1.JPG", 1), file);

    expect(await browser.untilTold(code)).toEqual(["IMG_1.xmp"]);

    expect((await browser.untilComplete()).outcome).toBe("all");
    expect(browser.callsTo("/sidecars")).toEqual([]);
    expect(rowWith(browser, "IMG_1")).toMatchObject({
      state: "done",
      reasons: [],
      sidecars: [{ name: "IMG_1.xmp", state: "refused", reason: code }],
    });
  });

  test("of one byte less is none", async () => {
    const file = notes("IMG_1.xmp", "<x:xmpmeta >".padEnd(MAX_SIDECAR_BYTES));
    const browser = await browserWith(shot("IMG_1.JPG", 1), file);

    await browser.untilKept(1);
  });

  test.each([
    ["bad_request", "not_xmp"],
    ["quota_exceeded", "quota_exceeded"],
  ])("of the server with %s is told as %s, and choosing again tries again", async (code, told) => {
    const browser = await browserWith();
    browser.sidecarRefusal = () => code;
    browser.choose(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"));
    expect(await browser.untilTold(told)).toEqual(["IMG_1.xmp"]);
    expect((await browser.untilComplete()).outcome).toBe("all");

    browser.sidecarRefusal = () => null;
    browser.choose(notes("IMG_1.xmp"));

    await browser.untilKept(1);
    expect(browser.told()?.problems).toEqual([]);
  });

  test("of one file too many leaves the others", async () => {
    const photos = [shot("IMG_1.CR3", 1)];
    const names = ["IMG_1.xmp", "IMG_1.CR3.xmp", "IMG_1.JPG.xmp", "IMG_1.NEF.xmp", "IMG_1.DNG.xmp"];
    const browser = await browserWith(...photos, ...names.map((name) => notes(name)));

    expect(await browser.untilTold("too_many_sidecars")).toEqual(["IMG_1.DNG.xmp"]);

    await browser.untilKept(MAX_SIDECARS);
  });

  test("for a photo that has failed waits until it is taken up again", async () => {
    const browser = await browserWith();
    let isRefused = true;
    browser.verdict = () => (isRefused ? "damaged_photo" : null);
    browser.onCall = (path) => (path.endsWith("/sidecars") && isRefused ? "lost" : "none");
    browser.choose(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"));
    await browser.until(() => browser.rowNamed("IMG_1.JPG")?.state === "failed");
    await browser.untilComplete();
    expect(browser.sidecars.size).toBe(0);

    isRefused = false;
    browser.send({ type: "retry", galleryId: GALLERY_ID });

    await browser.untilKept(1);
  });

  test("of the only photo takes its notes along, and the receipt says so", async () => {
    const browser = await browserWith();
    browser.verdict = ({ name }) => (name === "IMG_1.JPG" ? "damaged_photo" : null);
    browser.choose(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"), shot("IMG_2.JPG", 2), notes("IMG_2.xmp"));

    expect(await browser.untilTold("photo_not_added")).toEqual(["IMG_1.xmp"]);

    await browser.untilComplete();
    await browser.untilKept(1);
    expect(rowWith(browser, "IMG_1")?.sidecars).toMatchObject([
      { state: "refused", reason: "photo_not_added" },
    ]);
    const lines = (await browser.receipt()).filter(({ name }) => name === "IMG_1.xmp");
    expect(lines).toMatchObject([{ isVerified: false, reasons: ["photo_not_added"] }]);
  });

  test("of one photo of a shot leaves the notes beside the other", async () => {
    const browser = await browserWith();
    browser.verdict = ({ name }) => (name === "IMG_1.CR3" ? "damaged_photo" : null);
    browser.choose(shot("IMG_1.JPG", 1), shot("IMG_1.CR3", 2), notes("IMG_1.xmp"));

    await browser.untilComplete();
    await browser.untilKept(1);

    expect(browser.told()?.problems).toEqual([]);
    expect(rowWith(browser, "IMG_1")?.sidecars).toMatchObject([{ state: "kept", reason: null }]);
    const lines = (await browser.receipt()).filter(({ name }) => name === "IMG_1.xmp");
    expect(lines).toMatchObject([{ isVerified: true, reasons: [] }]);
  });

  test.each(["lost", "unheard", "server_error", "busy", "too_many"] as const)(
    "that may pass (%s) is asked again until the notes are kept",
    async (fault) => {
      const browser = await browserWith();
      let count = 0;
      browser.onCall = (path) => {
        if (!path.endsWith("/sidecars")) return "none";
        count += 1;
        return count <= 3 ? fault : "none";
      };
      browser.choose(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"));

      await browser.untilKept(1);

      expect(browser.sidecars.size).toBe(1);
    },
  );
});

describe("after the browser died", () => {
  test("notes that were not sent are sent, from what this browser kept of them", async () => {
    const browser = await browserWith();
    browser.onCall = (path) => (path.endsWith("/sidecars") ? "lost" : "none");
    browser.choose(shot("IMG_1.JPG", 1), notes("IMG_1.xmp", "<x:xmpmeta >kept"));
    await browser.until(() => browser.rowNamed("IMG_1.JPG") !== null);
    await browser.pass(2_000);

    browser.onCall = () => "none";
    await browser.visit();

    await browser.untilKept(1);
    expect(browser.kept()).toEqual(["IMG_1.JPG IMG_1.xmp <x:xmpmeta >kept"]);
    expect(rowWith(browser, "IMG_1")?.sidecars?.[0]?.state).toBe("kept");
  });

  test("notes whose end was not written down yet can still be read", async () => {
    const browser = await browserWith(shot("IMG_1.JPG", 1));
    await browser.untilComplete();
    await browser.pass(1_000);
    browser.onCall = (path) => (path.endsWith("/sidecars") ? "lost" : "none");
    browser.choose(notes("IMG_1.xmp"));
    await browser.pass(2_000);
    browser.onCall = () => "none";
    await browser.until(() => browser.sidecars.size === 1);

    await browser.visit();

    await browser.untilKept(1);
    expect(browser.told()?.problems).toEqual([]);
  });

  test("notes of a gallery that ended long ago are still sent", async () => {
    const browser = await browserWith();
    browser.onCall = (path) => (path.endsWith("/sidecars") ? "server_error" : "none");
    browser.choose(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"));
    await browser.untilComplete();
    await browser.pass(1_000);

    browser.startEngine();
    browser.onCall = () => "none";
    browser.clock.advance(3 * HOUR_MS);
    await browser.visit();
    await browser.pass(30_000);

    expect(browser.told()).toMatchObject({ keptCount: 1, waitingCount: 0 });
    expect(browser.sidecars.size).toBe(1);
  });

  test("notes that are kept are told as kept, and not sent again", async () => {
    const browser = await browserWith(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"));
    await browser.untilKept(1);
    await browser.untilComplete();
    await browser.pass(1_000);

    await browser.visit();
    browser.send({ type: "watch", galleryId: GALLERY_ID });
    await browser.untilKept(1);
    await browser.pass(5_000);

    expect(browser.callsTo("/sidecars")).toHaveLength(1);
  });
});

describe("the receipt", () => {
  test("lists notes behind their photo, as the server has them", async () => {
    const browser = await browserWith(shot("day/IMG_1.JPG", 1), notes("day/IMG_1.xmp"));
    await browser.untilComplete();
    await browser.untilKept(1);

    const lines = await browser.receipt();

    expect(lines.map(({ name }) => name)).toEqual(["IMG_1.JPG", "IMG_1.xmp"]);
    expect(lines[1]).toMatchObject({
      relativePath: "day/IMG_1.xmp",
      sizeBytes: 12,
      sha256: "sha256 of IMG_1.xmp",
      isVerified: true,
      reasons: [],
    });
  });

  test("has notes about RAW and JPEG once, and says why they are not there", async () => {
    const browser = await browserWith();
    browser.sidecarRefusal = () => "quota_exceeded";
    browser.choose(shot("IMG_1.JPG", 1), shot("IMG_1.CR3", 2), notes("IMG_1.xmp"));
    await browser.untilComplete();
    await browser.untilTold("quota_exceeded");

    const lines = (await browser.receipt()).filter(({ name }) => name === "IMG_1.xmp");

    expect(lines).toMatchObject([{ isVerified: false, crc32: null, reasons: ["quota_exceeded"] }]);
  });

  test("does not call verified what the server has no more", async () => {
    const browser = await browserWith(shot("IMG_1.JPG", 1), notes("IMG_1.xmp"));
    await browser.untilComplete();
    await browser.untilKept(1);
    browser.sidecars.clear();

    const lines = await browser.receipt();

    expect(lines.find(({ name }) => name === "IMG_1.xmp")?.isVerified).toBe(false);
  });
});
