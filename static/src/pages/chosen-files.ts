// Hands on what was dropped, pasted or chosen, group by group, so that the first rows show before a folder is read.

import { inOrderOfSending, type ShotPart, shotPartOf } from "../domain/shots.ts";
import type { ChosenFile, Root } from "../engine/port.ts";
import { type PickedFile, pickedFromDrop, pickedFromInput, pickedFromPaste } from "../io/file-source.ts";
import { Slice } from "../kernel/turn.ts";
import { hideNotice, showNotice } from "../ui/notice.ts";

export type ReadFiles =
  | Readonly<{ from: "drop" | "paste"; data: DataTransfer }>
  | Readonly<{ from: "input"; input: HTMLInputElement }>;

/** A frame is 16 ms, and some of it is needed to draw. */
const SLICE_MS = 8;
/** Handing a file to the Worker takes up to a millisecond. */
const SIDECARS_AT_ONCE = 20;

export type ChosenListener = Readonly<{
  onPhotos: (files: readonly ChosenFile[], roots: readonly Root[]) => void;
  /** An editor's notes (XMP): after all photos that were chosen with them. */
  onSidecars: (files: readonly ChosenFile[]) => void;
}>;

/** The first group is asked for at once: a drop can be read only inside its event. */
export async function readChosenFiles(reading: ReadFiles, to: ChosenListener): Promise<void> {
  hideNotice();
  let isEmpty = true;
  const sidecars: PickedFile[] = [];
  const slice = new Slice(SLICE_MS);
  for await (const group of groupsOf(reading)) {
    // The first rows are drawn in this task: Chromium has a thousand small ones of its own waiting behind it.
    if (!isEmpty) {
      await learnSizes(group, slice);
    }
    isEmpty = false;
    const photos = group.filter((picked) => !isSidecar(picked));
    if (photos.length > 0) {
      to.onPhotos(inOrderOfSending(photos, shotPartOfPicked).map(chosenFrom), rootsOf(photos));
    }
    sidecars.push(...group.filter(isSidecar));
    await slice.next();
  }
  if (isEmpty) {
    showNotice("There was no file in it, so nothing was added.");
  }
  await handOn(sidecars, slice, to);
}

async function handOn(sidecars: readonly PickedFile[], slice: Slice, to: ChosenListener): Promise<void> {
  for (let first = 0; first < sidecars.length; first += SIDECARS_AT_ONCE) {
    const some = sidecars.slice(first, first + SIDECARS_AT_ONCE);
    await learnSizes(some, slice);
    to.onSidecars(some.map(({ file, relativePath }) => ({ file, relativePath })));
    await slice.next();
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

function isSidecar(picked: PickedFile): boolean {
  return shotPartOfPicked(picked).kind === "sidecar";
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
