// Photos dropped where nothing takes them: the browser would open the file and leave the page, uploads and all.

import { holdsFiles } from "./dropzone.ts";

/** Heard last, at the window: a page that takes the drop has said so before. */
export function guardDrops(onMissed: () => void): void {
  const guard = (event: DragEvent): void => {
    if (event.dataTransfer === null || !holdsFiles(event.dataTransfer) || event.defaultPrevented) {
      return;
    }
    event.preventDefault();
    if (event.type === "drop") {
      onMissed();
    }
  };
  for (const type of ["dragenter", "dragover", "drop"] as const) {
    window.addEventListener(type, guard);
  }
}
