/** Not yet in TypeScript's own list: https://wicg.github.io/file-system-access/#api-filesystemhandle */
declare global {
  interface FileSystemHandle {
    queryPermission(descriptor: { readonly mode: "read" }): Promise<PermissionState>;
    requestPermission(descriptor: { readonly mode: "read" }): Promise<PermissionState>;
  }
  interface DataTransferItem {
    getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
  }
}

/** A dropped folder or file, under a name of its own. */
export type DroppedRoot = { readonly id: string; readonly handle: FileSystemHandle };

/** Asked inside the event of the drop. Null where the browser gives none: then only copied bytes outlive the page. */
export async function rootOf(item: DataTransferItem): Promise<DroppedRoot | null> {
  try {
    const handle = (await item.getAsFileSystemHandle?.()) ?? null;
    return handle === null ? null : { id: crypto.randomUUID(), handle };
  } catch {
    return null;
  }
}

/** Whether it can be read without asking anybody. */
export async function isPermitted(root: FileSystemHandle): Promise<boolean> {
  return (await permissionOf(root)) === "granted";
}

export type KnownFile = { readonly sizeBytes: number; readonly lastModifiedMs: number };

type Folders = Map<string, Promise<FileSystemDirectoryHandle>>;

/** Folders that were walked to, by their path below the root: thousands of files lie in few of them. */
const foldersByRoot = new WeakMap<FileSystemHandle, Folders>();

/**
 * A remembered file, read from where it was chosen. "ask" where a person has to give back the permission; null where it
 * is gone, or another file by now.
 */
export async function fileIn(
  root: FileSystemHandle,
  relativePath: string,
  known: KnownFile,
): Promise<File | "ask" | null> {
  try {
    const file = await (await handleOf(root, relativePath)).getFile();
    const isSame = file.size === known.sizeBytes && file.lastModified === known.lastModifiedMs;
    return isSame ? file : null;
  } catch (error: unknown) {
    const isForbidden = error instanceof Error && error.name === "NotAllowedError";
    return isForbidden && (await isAskable(root)) ? "ask" : null;
  }
}

/** A dropped file is its own root; paths below a dropped folder begin with its name. */
async function handleOf(root: FileSystemHandle, relativePath: string): Promise<FileSystemFileHandle> {
  if (!isFolder(root)) return root as FileSystemFileHandle;
  const path = relativePath.split("/");
  if (path[0] === root.name) path.shift();
  const name = path.pop() ?? "";
  const folder = await folderAt(root, path);
  return await folder.getFileHandle(name);
}

function folderAt(
  root: FileSystemDirectoryHandle,
  path: readonly string[],
): Promise<FileSystemDirectoryHandle> {
  const name = path.at(-1);
  if (name === undefined) return Promise.resolve(root);
  const folders = foldersByRoot.get(root) ?? new Map();
  foldersByRoot.set(root, folders);
  const key = path.join("/");
  const known = folders.get(key);
  if (known !== undefined) return known;
  const found = folderAt(root, path.slice(0, -1)).then((parent) => parent.getDirectoryHandle(name));
  folders.set(key, found);
  // A card that was pulled may be put back, a permission given.
  found.catch(() => folders.delete(key));
  return found;
}

async function isAskable(root: FileSystemHandle): Promise<boolean> {
  return (await permissionOf(root)) === "prompt";
}

/** Null where the browser does not say. */
async function permissionOf(root: FileSystemHandle): Promise<PermissionState | null> {
  try {
    return await root.queryPermission({ mode: "read" });
  } catch {
    return null;
  }
}

function isFolder(root: FileSystemHandle): root is FileSystemDirectoryHandle {
  return root.kind === "directory";
}
