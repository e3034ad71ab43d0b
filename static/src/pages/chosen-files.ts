// Hands on what was dropped, pasted or chosen, group by group, so that the first rows show before a folder is read.

import type { ChosenFile, Root } from "../engine/port.ts";
import { type PickedFile, pickedFromDrop, pickedFromInput, pickedFromPaste } from "../io/file-source.ts";
import { hideNotice, showNotice } from "../ui/notice.ts";

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
  for await (const group of groupsOf(reading)) {
    onFiles(group.map(chosenFrom), rootsOf(group));
    count += group.length;
    // Thousands of files are many groups: the page breathes between them.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  if (count === 0) {
    showNotice("There was no file in it, so nothing was added.");
  }
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
