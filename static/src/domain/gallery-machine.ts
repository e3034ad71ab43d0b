// Pure: what the gallery on the page is doing. With auto_publish it follows its files, else its publication.
import type { Step } from "../kernel/machine.ts";
import type { PublicationState } from "./wire.ts";

export type Outcome = "all" | "some" | "none";

export type GalleryState =
  | { readonly name: "form"; readonly autoPublish: boolean }
  | { readonly name: "publishing"; readonly autoPublish: boolean }
  | { readonly name: "complete"; readonly outcome: Outcome; readonly autoPublish: boolean };

export type GalleryEvent =
  | { readonly type: "files_added" }
  /** The first bytes of a file are on their way, or an ended file was taken up again. */
  | { readonly type: "sending" }
  /** Every file that was not removed has ended. */
  | { readonly type: "settled"; readonly doneCount: number; readonly failedCount: number }
  /** Every file was removed. */
  | { readonly type: "emptied" }
  | { readonly type: "auto_publish"; readonly isOn: boolean }
  | { readonly type: "publication"; readonly state: PublicationState };

const PUBLICATION_OUTCOMES: Readonly<Record<Exclude<PublicationState, "in_progress">, Outcome>> = {
  all_succeeded: "all",
  some_failed: "some",
  all_failed: "none",
};

export const newGallery: GalleryState = { name: "form", autoPublish: true };

export function galleryMachine(state: GalleryState, event: GalleryEvent): Step<GalleryState, never> {
  if (event.type === "auto_publish") return [{ ...state, autoPublish: event.isOn }, []];
  return [state.autoPublish ? followFiles(state, event) : followPublication(state, event), []];
}

type Happening = Exclude<GalleryEvent, { type: "auto_publish" }>;

function followFiles(state: GalleryState, event: Happening): GalleryState {
  switch (event.type) {
    case "files_added":
      return state.name === "complete" ? { name: "form", autoPublish: true } : state;
    case "sending":
      return { name: "publishing", autoPublish: true };
    case "settled":
      return { name: "complete", outcome: outcomeOf(event), autoPublish: true };
    case "emptied":
      return { name: "form", autoPublish: true };
    case "publication":
      return state;
  }
}

function followPublication(state: GalleryState, event: Happening): GalleryState {
  if (event.type === "publication") return afterPublication(event.state);
  return event.type === "files_added" && state.name === "complete"
    ? { name: "form", autoPublish: false }
    : state;
}

function afterPublication(state: PublicationState): GalleryState {
  if (state === "in_progress") return { name: "publishing", autoPublish: false };
  return { name: "complete", outcome: PUBLICATION_OUTCOMES[state], autoPublish: false };
}

function outcomeOf({ doneCount, failedCount }: { doneCount: number; failedCount: number }): Outcome {
  if (failedCount === 0) return "all";
  return doneCount === 0 ? "none" : "some";
}
