// Hands on what was dropped, pasted or chosen, group by group, so that the first rows show before a folder is read.

import { inOrderOfSending, type ShotPart, shotPartOf } from "../domain/shots.ts";
import type { ChosenFile, Root } from "../engine/port.ts";
import { type PickedFile, pickedFromDrop, pickedFromInput, pickedFromPaste } from "../io/file-source.ts";
import { hideNotice, showNotice } from "../ui/notice.ts";
import { filesOf } from "../ui/quantities.ts";

export type ReadFiles =
  | Readonly<{ from: "drop" | "paste"; data: DataTransfer }>
  | Readonly<{ from: "input"; input: HTMLInputElement }>;

/** The first group is asked for at once: a drop can be read only inside its event. */
export async function readChosenFiles(
  reading: ReadFiles,
  onFiles: (files: readonly ChosenFile[], roots: readonly Root[]) => void,
): Promise<void> {
  hideNotice();
  let count = 0;
  let sidecarCount = 0;
  for await (const group of groupsOf(reading)) {
    const photos = group.filter((picked) => shotPartOfPicked(picked).kind !== "sidecar");
    if (photos.length > 0) {
      onFiles(inOrderOfSending(photos, shotPartOfPicked).map(chosenFrom), rootsOf(photos));
    }
    count += group.length;
    sidecarCount += group.length - photos.length;
    // Thousands of files are many groups: the page breathes between them.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  if (count === 0) {
    showNotice("There was no file in it, so nothing was added.");
  } else if (sidecarCount > 0) {
    showNotice(
      `${filesOf(sidecarCount)} with edits (XMP) ${sidecarCount === 1 ? "stays" : "stay"} on your disk: galleries keep photos.`,
    );
  }
}

function shotPartOfPicked({ relativePath }: PickedFile): ShotPart {
  return shotPartOf(relativePath);
}

function chosenFrom({ file, relativePath, root }: PickedFile): ChosenFile {
  return root === undefined ? { file, relativePath } : { file, relativePath, rootId: root.id };
}

function rootsOf(group: readonly PickedFile[]): readonly Root[] {
  return [...new Set(group.flatMap(({ root }) => root ?? []))];
}

function groupsOf(
  reading: ReadFiles,
): AsyncIterable<readonly PickedFile[]> | Iterable<readonly PickedFile[]> {
  if (reading.from === "input") {
    const files = reading.input.files;
    const groups = files === null ? [] : Array.from(pickedFromInput(files));
    // Choosing the same file again must count as a choice.
    reading.input.value = "";
    return groups;
  }
  return reading.from === "drop" ? pickedFromDrop(reading.data) : [pickedFromPaste(reading.data)];
}
