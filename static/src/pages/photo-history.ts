// The lightbox has addresses of its own. Imported before Turbo: its listener must hear a step back first, or Turbo
// would fetch the whole page for what is only a photo closing.

type PhotoStep = (photoId: string | null) => boolean;

let isEntryOurs = false;
let onStep: PhotoStep | null = null;

window.addEventListener("popstate", (event) => {
  const photoId = photoIdOf(event.state);
  if (onStep?.(photoId) === true) {
    isEntryOurs = photoId !== null;
    event.stopImmediatePropagation();
  } else if (photoId !== null) {
    // The photo of another page than that which is shown.
    event.stopImmediatePropagation();
    location.reload();
  }
});

/** `step` is told the photo a person went to with Back or Forward, null for none, and answers whether it went there. */
export function listenForPhotoSteps(step: PhotoStep): () => void {
  onStep = step;
  isEntryOurs = photoIdOf(history.state) !== null;
  return () => {
    onStep = null;
    isEntryOurs = false;
  };
}

export function enterPhoto(photoId: string, url: string): void {
  history.pushState({ photoId }, "", url);
  isEntryOurs = true;
}

export function changePhoto(photoId: string, url: string): void {
  history.replaceState(isEntryOurs ? { photoId } : history.state, "", url);
}

export function leavePhoto(pageUrl: string): void {
  if (isEntryOurs) {
    isEntryOurs = false;
    history.back();
  } else {
    history.replaceState(history.state, "", pageUrl);
  }
}

function photoIdOf(state: unknown): string | null {
  if (typeof state !== "object" || state === null || !("photoId" in state)) {
    return null;
  }
  return typeof state.photoId === "string" ? state.photoId : null;
}
