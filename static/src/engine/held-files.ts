import { clientIdOf } from "../domain/client-id.ts";
import type { ChosenFile, Root } from "./port.ts";
import type { Add } from "./tab-words.ts";
import { FILES_AT_ONCE } from "./trickle.ts";

type HeldGallery = {
  /** As it was added last. */
  add: Add;
  readonly files: Map<string, ChosenFile>;
  readonly roots: Map<string, Root>;
};

/** Files that can be read only as long as some tab holds what was chosen: until they are over, or kept on disk. */
export class HeldFiles {
  readonly #galleries = new Map<string, HeldGallery>();

  hold(add: Add): void {
    const gallery = this.#gallery(add);
    gallery.add = add;
    for (const chosen of add.files) gallery.files.set(idOf(chosen), chosen);
    for (const root of add.roots ?? []) gallery.roots.set(root.id, root);
  }

  letGo(galleryId: string, fileIds: readonly string[]): void {
    const gallery = this.#galleries.get(galleryId);
    for (const fileId of fileIds) gallery?.files.delete(fileId);
    if (gallery?.files.size === 0) this.#galleries.delete(galleryId);
  }

  all(): Add[] {
    return Array.from(this.#galleries.values(), ({ add, files, roots }) => ({
      ...add,
      files: [...files.values()],
      roots: [...roots.values()],
    }));
  }

  /** Some that are not in `known`, with their folders; null where there are none. */
  next(known: ReadonlySet<string>): Add | null {
    for (const [galleryId, { add, files, roots }] of this.#galleries) {
      const unknown = [...files].filter(([fileId]) => !known.has(heldKey(galleryId, fileId)));
      const some = unknown.slice(0, FILES_AT_ONCE).map(([, chosen]) => chosen);
      const rootIds = new Set(some.map(({ rootId }) => rootId));
      if (some.length > 0) {
        return { ...add, files: some, roots: [...roots.values()].filter(({ id }) => rootIds.has(id)) };
      }
    }
    return null;
  }

  #gallery(add: Add): HeldGallery {
    const known = this.#galleries.get(add.galleryId);
    if (known !== undefined) return known;
    const gallery = { add, files: new Map(), roots: new Map() };
    this.#galleries.set(add.galleryId, gallery);
    return gallery;
  }
}

/** One file may be chosen for several galleries. */
export function heldKey(galleryId: string, fileId: string): string {
  return `${galleryId}/${fileId}`;
}

export function heldKeysOf({ galleryId, files }: Add): string[] {
  return files.map((chosen) => heldKey(galleryId, idOf(chosen)));
}

export function idOf({ file, relativePath }: ChosenFile): string {
  return clientIdOf({ path: relativePath, fileBytes: file.size, lastModifiedMs: file.lastModified });
}
