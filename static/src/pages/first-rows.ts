// Pure: files just chosen as the rows that the engine will tell of them, so that they show before it has heard of them.

import { clientIdOf } from "../domain/client-id.ts";
import { groupShots, nameOfShot, shotPartOf } from "../domain/shots.ts";
import type { ChosenFile, RowView } from "../engine/port.ts";

/** At most `count` rows, a shot each. Asks each of their files for its size. */
export function firstRows(
  galleryId: string,
  files: readonly ChosenFile[],
  count: number,
): readonly RowView[] {
  const shots = groupShots(files, ({ relativePath }) => shotPartOf(relativePath));
  return shots.slice(0, count).flatMap((shot) => {
    const [first] = shot;
    return first === undefined ? [] : rowOf(galleryId, first, shot);
  });
}

function rowOf(galleryId: string, first: ChosenFile, shot: readonly ChosenFile[]): RowView {
  const parts = shot.map((chosen) => ({
    fileId: idOf(chosen),
    name: chosen.file.name,
    state: "inspecting" as const,
  }));
  return {
    fileId: idOf(first),
    galleryId,
    name: nameOfShot(parts.map(({ name }) => name)),
    relativePath: first.relativePath,
    sizeBytes: shot.reduce((sum, { file }) => sum + file.size, 0),
    state: "inspecting",
    sentBytes: 0,
    reasons: [],
    retryable: false,
    photoId: null,
    ...(parts.length > 1 ? { parts } : {}),
    kept: "none",
    file: null,
  };
}

function idOf({ file, relativePath }: ChosenFile): string {
  return clientIdOf({ path: relativePath, fileBytes: file.size, lastModifiedMs: file.lastModified });
}
