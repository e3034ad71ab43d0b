import { describe, expect, test } from "vitest";
import { fileIn } from "./roots.ts";

const MODIFIED_MS = 1_700_000_000_000;
const KNOWN = { sizeBytes: 5, lastModifiedMs: MODIFIED_MS };

describe("a remembered file", () => {
  test("is found below its folder", async () => {
    const root = new FakeFolder("Norway", { "a.jpg": "first", fjord: { "b.jpg": "other" } });

    expect(await textAt(root, "Norway/a.jpg")).toBe("first");
    expect(await textAt(root, "Norway/fjord/b.jpg")).toBe("other");
  });

  test("is found in a folder that bears the root's name", async () => {
    const root = new FakeFolder("Norway", { Norway: { "a.jpg": "inner" }, "a.jpg": "outer" });

    expect(await textAt(root, "Norway/Norway/a.jpg")).toBe("inner");
    expect(await textAt(root, "Norway/a.jpg")).toBe("outer");
  });

  test("that was dropped alone is its own root", async () => {
    expect(await textAt(new FakeFile("a.jpg", "alone"), "a.jpg")).toBe("alone");
  });

  test("of five thousand in one folder is found by one walk", async () => {
    const names = Array.from({ length: 5000 }, (_, number) => `${number}.jpg`);
    const photos = Object.fromEntries(names.map((name) => [name, "photo"]));
    const root = new FakeFolder("Norway", { day: { one: photos } });

    await Promise.all(names.map((name) => find(root, `Norway/day/one/${name}`)));

    expect(root.disk.walkCount).toBe(2);
  });

  test("is no longer there", async () => {
    const root = new FakeFolder("Norway", { "a.jpg": "first" });

    expect(await find(root, "Norway/b.jpg")).toBeNull();
    expect(await find(root, "Norway/gone/b.jpg")).toBeNull();
    expect(await find(root, "Norway/a.jpg/b.jpg")).toBeNull();
    expect(await find(root, "Norway/")).toBeNull();
  });

  test.each([
    { sizeBytes: 6, lastModifiedMs: MODIFIED_MS },
    { sizeBytes: 5, lastModifiedMs: MODIFIED_MS + 1 },
  ])("that has changed is not taken for it: %o", async (known) => {
    const root = new FakeFolder("Norway", { "a.jpg": "first" });

    expect(await fileIn(root.handle, "Norway/a.jpg", known)).toBeNull();
  });
});

describe("permission", () => {
  test("has to be asked for in a later visit", async () => {
    const root = new FakeFolder("Norway", { fjord: { "b.jpg": "other" } });
    root.disk.permission = "prompt";

    expect(await find(root, "Norway/fjord/b.jpg")).toBe("ask");
    expect(await find(new FakeFile("a.jpg", "alone", root.disk), "a.jpg")).toBe("ask");
  });

  test("is enough as soon as it is given", async () => {
    const root = new FakeFolder("Norway", { fjord: { "b.jpg": "other" } });
    root.disk.permission = "prompt";
    await find(root, "Norway/fjord/b.jpg");

    root.disk.permission = "granted";

    expect(await textAt(root, "Norway/fjord/b.jpg")).toBe("other");
  });

  test("that was refused is not asked for again", async () => {
    const root = new FakeFolder("Norway", { "a.jpg": "first" });
    root.disk.permission = "denied";

    expect(await find(root, "Norway/a.jpg")).toBeNull();
  });
});

type Tree = { readonly [name: string]: string | Tree };
type Disk = { permission: PermissionState; walkCount: number };

class FakeFile {
  readonly kind = "file";
  readonly name: string;
  readonly text: string;
  readonly disk: Disk;

  constructor(name: string, text: string, disk: Disk = { permission: "granted", walkCount: 0 }) {
    this.name = name;
    this.text = text;
    this.disk = disk;
  }

  get handle(): FileSystemHandle {
    return this as unknown as FileSystemHandle;
  }

  queryPermission(): Promise<PermissionState> {
    return Promise.resolve(this.disk.permission);
  }

  async getFile(): Promise<File> {
    guard(this.disk);
    return new File([this.text], this.name, { lastModified: MODIFIED_MS });
  }
}

class FakeFolder {
  readonly kind = "directory";
  readonly name: string;
  readonly disk: Disk;
  readonly #tree: Tree;

  constructor(name: string, tree: Tree, disk: Disk = { permission: "granted", walkCount: 0 }) {
    this.name = name;
    this.disk = disk;
    this.#tree = tree;
  }

  get handle(): FileSystemHandle {
    return this as unknown as FileSystemHandle;
  }

  queryPermission(): Promise<PermissionState> {
    return Promise.resolve(this.disk.permission);
  }

  async getDirectoryHandle(name: string): Promise<FakeFolder> {
    guard(this.disk);
    this.disk.walkCount += 1;
    const found = this.#tree[name];
    if (found === undefined) throw new DOMException("no such folder", "NotFoundError");
    if (typeof found === "string") throw new DOMException("a file", "TypeMismatchError");
    return new FakeFolder(name, found, this.disk);
  }

  async getFileHandle(name: string): Promise<FakeFile> {
    guard(this.disk);
    if (name === "") throw new TypeError("not a name");
    const found = this.#tree[name];
    if (typeof found !== "string") throw new DOMException("no such file", "NotFoundError");
    return new FakeFile(name, found, this.disk);
  }
}

function guard(disk: Disk): void {
  if (disk.permission !== "granted") throw new DOMException("not allowed", "NotAllowedError");
}

function find(root: FakeFolder | FakeFile, path: string): Promise<File | "ask" | null> {
  return fileIn(root.handle, path, KNOWN);
}

async function textAt(root: FakeFolder | FakeFile, path: string): Promise<string | null> {
  const found = await find(root, path);
  return found instanceof File ? await found.text() : found;
}
