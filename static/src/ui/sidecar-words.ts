// Pure: what became of an editor's notes (XMP), as people read it. The photo they are about is never in doubt.

import type { SidecarsReport, SidecarView } from "../engine/port.ts";
import { filesOf, formatCount } from "./quantities.ts";
import { shortenInTheMiddle } from "./short-name.ts";

const NAMES_IN_A_LINE = 3;
const NAME_CHARS = 24;

/** Why notes are not kept, after a colon and a name, and what to do. */
const REASONS: Readonly<Record<string, string>> = {
  no_photo: "no photo of that name is here",
  photo_not_added: "its photo was not added",
  several_photos: "several photos have that name; choose it together with its photo",
  sidecar_too_large: "larger than 512 KB",
  too_many_sidecars: "a photo has four such files at most",
  not_xmp: "there is no XMP in it",
  quota_exceeded: "there is no room left for more edits",
  file_unreadable: "can't be read any more; choose it again",
  wrong_state: "its photo is not there any more",
  not_found: "its photo is not there any more",
  gallery_deleted: "the gallery was deleted",
};
const SAME_AS: Readonly<Record<string, string>> = { file_too_large: "sidecar_too_large" };
const UNKNOWN_REASON = "something went wrong on our side; choose it again";

/** One sentence each: those that are safe, and each reason why others are not. */
export function sidecarSentences({ keptCount, waitingCount, problems }: SidecarsReport): readonly string[] {
  return [...stateSentence(keptCount, waitingCount), ...problems.map(problemSentence)];
}

function stateSentence(keptCount: number, waitingCount: number): readonly string[] {
  const all = keptCount + waitingCount;
  if (all === 0) {
    return [];
  }
  const what = `${filesOf(all)} with edits (XMP)`;
  if (waitingCount === 0) {
    return [`${what} kept beside ${all === 1 ? "its photo" : "their photos"}.`];
  }
  return [`${what} on the way, ${formatCount(keptCount)} kept.`];
}

function problemSentence({ code, names }: SidecarsReport["problems"][number]): string {
  const some = names.slice(0, NAMES_IN_A_LINE).map((name) => shortenInTheMiddle(name, NAME_CHARS));
  const list = some.join(", ") + (names.length > some.length ? " …" : "");
  return `${filesOf(names.length)} with edits (XMP) ${names.length === 1 ? "stays" : "stay"} on your disk (${reasonOf(code)}): ${list}.`;
}

/** Of one row; empty where it has none. */
export function sidecarWords(sidecars: readonly SidecarView[] = []): string {
  return sidecars.map(wordsOf).join(" · ");
}

function wordsOf({ name, state, reason }: SidecarView): string {
  switch (state) {
    case "waiting":
      return `Edits on the way: ${name}`;
    case "kept":
      return `Edits kept: ${name}`;
    case "refused":
      return `Edits not kept: ${name}, ${reasonOf(reason ?? "")}`;
    default:
      return state satisfies never;
  }
}

function reasonOf(code: string): string {
  const known = SAME_AS[code] ?? code;
  return Object.hasOwn(REASONS, known) ? (REASONS[known] ?? UNKNOWN_REASON) : UNKNOWN_REASON;
}
