// The whole gallery page takes photos: dropped anywhere, pasted, or chosen. What a drop holds is read elsewhere.

export type ChosenBy = Readonly<{
  drop: (data: DataTransfer) => void;
  paste: (data: DataTransfer) => void;
  input: (input: HTMLInputElement) => void;
}>;

export function listenForPhotos(page: HTMLElement, chosen: ChosenBy): () => void {
  const ends = new AbortController();
  const { signal } = ends;
  listenForDrops(chosen.drop, signal);
  document.addEventListener(
    "paste",
    (event) => {
      if (event.clipboardData !== null && holdsFiles(event.clipboardData)) {
        event.preventDefault();
        chosen.paste(event.clipboardData);
      }
    },
    { signal },
  );
  page.addEventListener("click", (event) => openChooser(page, event), { signal });
  page.addEventListener(
    "change",
    (event) => {
      if (event.target instanceof HTMLInputElement && event.target.matches("input[type=file]")) {
        chosen.input(event.target);
      }
    },
    { signal },
  );
  return () => ends.abort();
}

function listenForDrops(drop: (data: DataTransfer) => void, signal: AbortSignal): void {
  const root = document.documentElement;
  // Enter and leave come for every element passed over; the page is left when their count is back at none.
  let depth = 0;
  const settle = (nextDepth: number): void => {
    depth = Math.max(0, nextDepth);
    root.toggleAttribute("data-dragging", depth > 0);
  };
  const over = (event: DragEvent): void => {
    if (event.dataTransfer !== null && holdsFiles(event.dataTransfer)) {
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
    }
  };
  document.addEventListener(
    "dragenter",
    (event) => {
      over(event);
      if (event.dataTransfer !== null && holdsFiles(event.dataTransfer)) {
        settle(depth + 1);
      }
    },
    { signal },
  );
  document.addEventListener("dragleave", () => settle(depth - 1), { signal });
  document.addEventListener("dragover", over, { signal });
  document.addEventListener(
    "drop",
    (event) => {
      settle(0);
      if (event.dataTransfer !== null && holdsFiles(event.dataTransfer)) {
        event.preventDefault();
        drop(event.dataTransfer);
      }
    },
    { signal },
  );
  signal.addEventListener("abort", () => settle(0));
}

function openChooser(page: HTMLElement, event: Event): void {
  const button = event.target instanceof Element ? event.target.closest("[data-chooses]") : null;
  if (button instanceof HTMLElement) {
    const input = page.querySelector(`input[data-chooser="${button.dataset["chooses"]}"]`);
    if (input instanceof HTMLInputElement) {
      input.click();
    }
  }
}

/** Opens the folder chooser of this gallery's page; false where another page is shown. */
export function openFolderChooser(galleryId: string): boolean {
  const input = document.querySelector(
    `main[data-gallery-id="${CSS.escape(galleryId)}"] input[data-chooser="folder"]`,
  );
  if (input instanceof HTMLInputElement) {
    input.click();
    return true;
  }
  return false;
}

export function holdsFiles(data: DataTransfer): boolean {
  return data.types.includes("Files");
}
