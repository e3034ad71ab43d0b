// Hands on what was dropped, pasted or chosen, group by group, so that the first rows show before a folder is read.

import { inOrderOfSending, type ShotPart, shotPartOf } from "../domain/shots.ts";
import type { ChosenFile, Root } from "../engine/port.ts";
import { type PickedFile, pickedFromDrop, pickedFromInput, pickedFromPaste } from "../io/file-source.ts";
import { Slice } from "../kernel/turn.ts";
import { hideNotice, showNotice } from "../ui/notice.ts";
import { filesOf } from "../ui/quantities.ts";

export type ReadFiles =
  | Readonly<{ from: "drop" | "paste"; data: DataTransfer }>
  | Readonly<{ from: "input"; input: HTMLInputElement }>;

/** A frame is 16 ms, and some of it is needed to draw. */
const SLICE_MS = 8;

/** The first group is asked for at once: a drop can be read only inside its event. */
export async function readChosenFiles(
  reading: ReadFiles,
  onFiles: (files: readonly ChosenFile[], roots: readonly Root[]) => void,
): Promise<void> {
  hideNotice();
  let count = 0;
  let sidecarCount = 0;
  const slice = new Slice(SLICE_MS);
  for await (const group of groupsOf(reading)) {
    // The first rows are drawn in this task: Chromium has a thousand small ones of its own waiting behind it.
    if (count > 0) {
      await learnSizes(group, slice);
    }
    const photos = group.filter((picked) => shotPartOfPicked(picked).kind !== "sidecar");
    if (photos.length > 0) {
      onFiles(inOrderOfSending(photos, shotPartOfPicked).map(chosenFrom), rootsOf(photos));
    }
    count += group.length;
    sidecarCount += group.length - photos.length;
    await slice.next();
  }
  if (count === 0) {
    showNotice("There was no file in it, so nothing was added.");
  } else if (sidecarCount > 0) {
    showNotice(
      `${filesOf(sidecarCount)} with edits (XMP) ${sidecarCount === 1 ? "stays" : "stay"} on your disk: galleries keep photos.`,
    );
  }
}

/**
 * To hand a file of a folder to the Worker, Chromium 156 first asks its other process how large it is: 0.2 ms, and 1 ms
 * while that is busy. Known before, handing on costs nothing.
 */
async function learnSizes(group: readonly PickedFile[], slice: Slice): Promise<void> {
  for (const { file } of group) {
    if (slice.isOver) await slice.next();
    void file.size;
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
