// Runs in the page: what a person picked, dropped or pasted, as files with their paths.

import { type DroppedRoot, rootOf } from "./roots.ts";

export type PickedFile = {
  readonly file: File;
  readonly relativePath: string;
  /** What was dropped whole and holds this file. */
  readonly root?: DroppedRoot;
};

/** Handing a file to the Worker costs a third of a millisecond or more: a group must block no frame. */
const GROUP_FILES = 50;
/** The first rows are drawn from these. */
const FIRST_GROUP_FILES = 20;
/** A person is asked once for each of them in a later visit: for hundreds of single files nobody would click. */
const MAX_ROOTS = 20;
/** Systems write these into folders by themselves; nobody chose them. */
const SYSTEM_FILES: ReadonlySet<string> = new Set(["thumbs.db", "desktop.ini"]);

/** From `<input type="file">`, with or without `webkitdirectory`; folders in the order of names. */
export function* pickedFromInput(files: FileList): Generator<readonly PickedFile[]> {
  const chosen = Array.from(files, (file) => picked(file, file.webkitRelativePath)).filter(isWanted);
  // Browsers hand out a folder as the disk has it; single files come as the person saw them.
  const isFolder = chosen.some(({ relativePath }) => relativePath.includes("/"));
  yield* inGroups(isFolder ? chosen.sort(byPath) : chosen);
}

/** By code units: thousands of paths in a few milliseconds, where a locale's order takes a frame or more. */
function byPath({ relativePath: one }: PickedFile, { relativePath: other }: PickedFile): number {
  return inOrder(one, other);
}

function inOrder(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** From the clipboard: every pasted picture is called image.png, so its time makes the name. */
export function pickedFromPaste(transfer: DataTransfer): readonly PickedFile[] {
  return Array.from(transfer.files, (file) => picked(file, `pasted-${file.lastModified}-${file.name}`));
}

/**
 * From a drop of files and folders, however deep. Call it inside the event: what was dropped can be asked for
 * only then, while the walk through folders may take its time.
 */
export function pickedFromDrop(transfer: DataTransfer): AsyncGenerator<readonly PickedFile[]> {
  const items = Array.from(transfer.items);
  const dropped = items.flatMap((item) => droppedFrom(item, items.length <= MAX_ROOTS));
  const files = dropped.length === 0 ? Array.from(transfer.files) : [];
  return walk(dropped, files);
}

type Dropped = { readonly entry: FileSystemEntry; readonly root: Promise<DroppedRoot | null> };

function droppedFrom(item: DataTransferItem, isRemembered: boolean): Dropped[] {
  const entry = item.webkitGetAsEntry();
  return entry === null ? [] : [{ entry, root: isRemembered ? rootOf(item) : Promise.resolve(null) }];
}

async function* walk(
  dropped: readonly Dropped[],
  files: readonly File[],
): AsyncGenerator<readonly PickedFile[]> {
  yield* inGroups(files.map((file) => picked(file, "")));
  let group: PickedFile[] = [];
  let wantedCount = FIRST_GROUP_FILES;
  for await (const found of filesOf(dropped)) {
    group.push(found);
    if (group.length === wantedCount) {
      yield group;
      group = [];
      wantedCount = GROUP_FILES;
    }
  }
  if (group.length > 0) yield group;
}

async function* filesOf(dropped: readonly Dropped[]): AsyncGenerator<PickedFile> {
  for (const { entry, root } of dropped) {
    const known = await root;
    for await (const found of filesBelow([entry])) yield known === null ? found : { ...found, root: known };
  }
}

/** Depth first, in the order given. What cannot be read (a broken link, a closed folder) ends nothing. */
async function* filesBelow(entries: readonly FileSystemEntry[]): AsyncGenerator<PickedFile> {
  for (const entry of entries) {
    if (isDirectory(entry)) {
      yield* filesBelow(await childrenOf(entry));
    } else {
      const found = await fileOf(entry as FileSystemFileEntry);
      if (found !== null && isWanted(found)) yield found;
    }
  }
}

function isDirectory(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

/** `readEntries` hands out a hundred at a time in Chromium; only an empty answer is the end. */
async function childrenOf(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const children: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve) => {
      reader.readEntries(resolve, () => resolve([]));
    });
    if (some.length === 0) return children.sort((one, other) => inOrder(one.name, other.name));
    children.push(...some);
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<PickedFile | null> {
  return new Promise((resolve) => {
    entry.file(
      (file) => resolve(picked(file, entry.fullPath.replace(/^\/+/, ""))),
      () => resolve(null),
    );
  });
}

function picked(file: File, path: string): PickedFile {
  return { file, relativePath: path === "" ? file.name : path };
}

/** By its path: each further question to one of thousands of files adds up. */
function isWanted({ relativePath }: PickedFile): boolean {
  const slash = relativePath.lastIndexOf("/");
  const name = relativePath.slice(slash + 1);
  const isHidden = name.startsWith(".") || SYSTEM_FILES.has(name.toLowerCase());
  return slash === -1 || !isHidden;
}

function* inGroups(files: readonly PickedFile[]): Generator<readonly PickedFile[]> {
  if (files.length > 0) yield files.slice(0, FIRST_GROUP_FILES);
  for (let first = FIRST_GROUP_FILES; first < files.length; first += GROUP_FILES)
    yield files.slice(first, first + GROUP_FILES);
}
