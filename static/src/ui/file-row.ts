// One row of the list of files: its picture, its words, its buttons.

import type { RowView, UploadStateWord } from "../engine/port.ts";
import { element, setText } from "./element.ts";
import { type IconName, icon, ring, turnRing } from "./icons.ts";
import { formatBytes } from "./quantities.ts";
import { shortenInTheMiddle } from "./short-name.ts";
import { sidecarWords } from "./sidecar-words.ts";
import { fileCountOf, STATE_ICONS, shareSent, stateWords } from "./upload-words.ts";

export type RowVerb = "pause" | "resume" | "retry" | "keep_both" | "remove";

export type FileRow = {
  readonly fileId: string;
  readonly box: HTMLElement;
  readonly check: HTMLInputElement;
  readonly picture: HTMLCanvasElement;
  readonly state: HTMLElement;
  readonly words: HTMLElement;
  readonly buttons: Readonly<Record<RowVerb, HTMLButtonElement>>;
  /** Of the shot it stands for. */
  fileCount: number;
  /** Its place in the whole list, from 0. */
  index: number;
  /** Ends the wait for its picture. */
  leavePicture: () => void;
};

const NAME_CHARS = { narrow: 22, wide: 44 } as const;
const NARROW_PX = 700;
const ON_THE_WAY: ReadonlySet<UploadStateWord> = new Set([
  "inspecting",
  "queued",
  "signing",
  "uploading",
  "waiting",
]);
/** Nothing is left to remove, or it is not ours to hold any more. */
const NOT_REMOVABLE: ReadonlySet<UploadStateWord> = new Set(["done", "removed", "confirming"]);

export function makeRow(view: RowView): FileRow {
  const check = element("input", {
    type: "checkbox",
    class: "file-check",
    tabindex: -1,
    "aria-label": `Select ${view.name}`,
  });
  const picture = element("canvas", { class: "file-picture", width: 1, height: 1, "aria-hidden": "true" });
  const name = element("span", { class: "file-name", dir: "auto", title: view.relativePath || view.name });
  const size = window.innerWidth < NARROW_PX ? "narrow" : "wide";
  setText(name, shortenInTheMiddle(view.name, NAME_CHARS[size]));
  const words = element("span");
  const state = element("span", { class: "file-state" }, icon("clock"), words);
  const buttons = buttonsOf(view.name);
  const box = element(
    "div",
    { class: "file-row", role: "row", tabindex: -1, "data-file-id": view.fileId },
    element("span", { role: "gridcell", class: "file-cell" }, check, picture),
    element("div", { role: "gridcell", class: "file-words" }, name, state),
    element("span", { role: "gridcell", class: "file-size" }, formatBytes(view.sizeBytes)),
    element("div", { role: "gridcell", class: "file-buttons" }, ...Object.values(buttons)),
  );
  return {
    fileId: view.fileId,
    box,
    check,
    picture,
    state,
    words,
    buttons,
    fileCount: 1,
    index: -1,
    leavePicture: () => {},
  };
}

function buttonsOf(name: string): FileRow["buttons"] {
  return {
    // Pause and Resume are the names of the dock's own buttons, which people ask for by voice.
    pause: iconButton("pause", "pause", `Hold ${name}`),
    resume: iconButton("resume", "play", `Go on with ${name}`),
    retry: iconButton("retry", "retry", `Retry ${name}`),
    keep_both: element(
      "button",
      {
        type: "button",
        class: "button button-small",
        tabindex: -1,
        "data-verb": "keep_both",
        "aria-label": `Keep both: ${name}`,
      },
      "Keep both",
    ),
    remove: iconButton("remove", "remove", `Remove ${name}`),
  };
}

function iconButton(verb: RowVerb, picture: IconName, label: string): HTMLButtonElement {
  return element(
    "button",
    {
      type: "button",
      class: "button button-icon button-small",
      tabindex: -1,
      "data-verb": verb,
      "aria-label": label,
    },
    icon(picture),
  );
}

export function drawRow(row: FileRow, view: RowView): void {
  row.fileCount = fileCountOf(view);
  if (row.box.dataset["uploadState"] !== view.state) {
    row.box.dataset["uploadState"] = view.state;
    const picture = STATE_ICONS[view.state];
    row.state.firstElementChild?.replaceWith(picture === "ring" ? ring() : icon(picture));
  }
  drawButtons(row.buttons, view);
  const picture = row.state.firstElementChild;
  if (picture instanceof SVGSVGElement && picture.classList.contains("ring")) {
    turnRing(picture, shareSent(view));
  }
  const words = [stateWords(view), sidecarWords(view.sidecars)].filter((some) => some !== "").join(" · ");
  setText(row.words, words);
  if (row.words.title !== words) {
    row.words.title = words;
  }
}

function drawButtons(buttons: FileRow["buttons"], view: RowView): void {
  buttons.pause.hidden = !ON_THE_WAY.has(view.state);
  buttons.resume.hidden = view.state !== "paused";
  buttons.retry.hidden = !(view.state === "failed" && view.retryable);
  buttons.keep_both.hidden = !(view.state === "done" && view.reasons.includes("duplicate"));
  buttons.remove.hidden = NOT_REMOVABLE.has(view.state);
}

/** Tab stops at one row only, and at its buttons; the arrows go to the others. */
export function setTabStop(row: FileRow, tabIndex: 0 | -1): void {
  row.box.tabIndex = tabIndex;
  for (const button of Object.values(row.buttons)) {
    button.tabIndex = tabIndex;
  }
}

export function markSelected(row: FileRow, isSelected: boolean): void {
  row.check.checked = isSelected;
  row.box.ariaSelected = String(isSelected);
}
