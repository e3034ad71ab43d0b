// Pure: what became of an editor's notes. About several photos of a shot they are one file all the same, told once.

import type { FileState } from "../domain/file-machine.ts";
import type { SidecarRecord } from "../io/journal-records.ts";
import type { FileEntry } from "./catalogue.ts";
import type { SidecarView } from "./port.ts";

/** Notes and the photo they are about; null for one that only the server knows. */
export type AboutPhoto = { readonly sidecar: SidecarRecord; readonly entry: FileEntry | null };

const WITHOUT_PHOTO: ReadonlySet<FileState["name"]> = new Set(["failed", "invalid", "removed"]);

export function mayHavePhoto({ runner }: FileEntry): boolean {
  return !WITHOUT_PHOTO.has(runner.state.name);
}

/** One file of notes, as far as the last of its photos; beside refused photos alone it is not kept. */
export function fateOf(same: readonly AboutPhoto[]): Pick<SidecarView, "state" | "reason"> {
  const beside = same.filter(({ entry }) => entry === null || mayHavePhoto(entry));
  const ends = beside.map(({ sidecar }) => sidecar.end);
  if (ends.length === 0) return { state: "refused", reason: "photo_not_added" };
  if (ends.includes(null)) return { state: "waiting", reason: null };
  const [refusal] = ends.flatMap((end) => (end?.kind === "refused" ? [end.code] : []));
  return refusal === undefined ? { state: "kept", reason: null } : { state: "refused", reason: refusal };
}
