// The title of the page says how far the upload is, for whoever looks at another tab.

import type { GalleryTally } from "../engine/port.ts";
import { openCount } from "./upload-words.ts";

/**
 * Writes it into the page's own title, and takes it out again at the end. The page's own title is noted at the
 * element, because Turbo keeps pages with their head, brings them back, and brings new ones.
 */
export function showInTitle(title: HTMLTitleElement, total: GalleryTally | null): void {
  const own = title.dataset["own"] ?? title.text;
  const isOpen = total !== null && openCount(total) > 0;
  const shown = isOpen ? `${total.percent} % · ${own}` : own;
  if (isOpen) {
    title.dataset["own"] = own;
  } else {
    delete title.dataset["own"];
  }
  if (title.text !== shown) {
    title.text = shown;
  }
}
