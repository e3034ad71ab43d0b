// One photo, black around it, nothing else. The address names the photo, so that it can be sent, kept and gone back to.

import PhotoSwipe, { type SlideData } from "photoswipe";
import { announce } from "./announcer.ts";
import { element, setText } from "./element.ts";
import { icon } from "./icons.ts";
import { formatBytes, formatCount } from "./quantities.ts";
import type { WallPhoto } from "./wall-photo.ts";

export type LightboxOptions = Readonly<{
  photos: () => readonly WallPhoto[];
  tileOf: (index: number) => HTMLElement | null;
  canFetchOriginal: boolean;
  /** An editor's notes (XMP) kept beside a photo; null where nobody here may have them. */
  sidecarsOf: ((photo: WallPhoto) => Promise<readonly SidecarLink[]>) | null;
  onShown: (photo: WallPhoto, index: number) => void;
  onClosed: (lastIndex: number) => void;
}>;

export type SidecarLink = Readonly<{ name: string; url: string }>;

export type Lightbox = Readonly<{ close: () => void; showAt: (index: number) => void; refresh: () => void }>;

export function openLightbox(index: number, options: LightboxOptions): Lightbox {
  const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const pswp = new PhotoSwipe({
    index,
    bgOpacity: 1,
    loop: false,
    wheelToZoom: true,
    preload: [1, 2],
    showHideAnimationType: isCalm ? "none" : "zoom",
    showAnimationDuration: 200,
    hideAnimationDuration: 200,
    zoomAnimationDuration: isCalm ? 0 : 200,
    // The focus goes back to the tile of the photo seen last, not to that which opened it.
    returnFocus: false,
    closeSVG: icon("close").outerHTML,
    zoomSVG: icon("zoom").outerHTML,
    arrowPrevSVG: icon("arrowLeft").outerHTML,
    arrowNextSVG: icon("arrowRight").outerHTML,
    closeTitle: "Close (Esc)",
    zoomTitle: "Zoom (z)",
    arrowPrevTitle: "Photo before",
    arrowNextTitle: "Next photo",
    errorMsg: "This photo can't be shown right now.",
  });
  pswp.addFilter("numItems", () => options.photos().length);
  pswp.addFilter("itemData", (_data, at) => slideOf(options.photos()[at]));
  // The types know no missing thumbnail, the library does: it then fades instead of growing out of the tile.
  pswp.addFilter("thumbEl", (thumb, _data, at) => (options.tileOf(at) ?? thumb) as HTMLElement);
  pswp.addFilter("placeholderSrc", (source, content) =>
    typeof content.data["gridUrl"] === "string" ? content.data["gridUrl"] : source,
  );
  const close = closingOnceOpen(pswp);
  const panel = new DetailsPanel(options.sidecarsOf);
  addButtons(pswp, options, panel);
  pswp.on("change", () => {
    const photo = options.photos()[pswp.currIndex];
    if (photo !== undefined) {
      panel.show(photo);
      announce(
        `Photo ${formatCount(pswp.currIndex + 1)} of ${formatCount(options.photos().length)}: ${photo.name}`,
      );
      options.onShown(photo, pswp.currIndex);
    }
  });
  pswp.on("destroy", () => options.onClosed(pswp.currIndex));
  pswp.init();
  pswp.element?.append(panel.element);
  pswp.element?.setAttribute("aria-modal", "true");
  pswp.element?.setAttribute("aria-label", "Photo");
  return {
    close,
    showAt: (at) => pswp.goTo(at),
    refresh: () => pswp.refreshSlideContent(pswp.currIndex),
  };
}

const STEP_OF_KEY: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowLeft: -1 };

/** While it still grows out of its tile the library hears no key and forgets that it was asked to close. */
function closingOnceOpen(pswp: PhotoSwipe): () => void {
  let isWanted = false;
  let steps = 0;
  const close = (): void => {
    isWanted = true;
    pswp.close();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      close();
    }
    steps += STEP_OF_KEY[event.key] ?? 0;
  };
  document.addEventListener("keydown", onKey);
  pswp.on("openingAnimationEnd", () => {
    document.removeEventListener("keydown", onKey);
    if (isWanted) {
      pswp.close();
    } else if (steps !== 0) {
      pswp.goTo(Math.min(Math.max(pswp.currIndex + steps, 0), pswp.getNumItems() - 1));
    }
  });
  pswp.on("destroy", () => document.removeEventListener("keydown", onKey));
  return close;
}

function slideOf(photo: WallPhoto | undefined): SlideData {
  if (photo === undefined) {
    return { html: "" };
  }
  const picture = photo.view ?? photo.grid;
  return {
    src: picture?.url ?? photo.originalUrl ?? "",
    width: picture?.width || photo.width,
    height: picture?.height || photo.height,
    alt: photo.name,
    ...(photo.grid === null ? {} : { msrc: photo.grid.url, gridUrl: photo.grid.url }),
  };
}

function addButtons(pswp: PhotoSwipe, options: LightboxOptions, panel: DetailsPanel): void {
  pswp.on("uiRegister", () => {
    const ui = pswp.ui;
    ui?.registerElement({
      name: "details",

      ariaLabel: "Details",
      title: "Details (i)",
      order: 9,
      isButton: true,
      onInit: (button) => {
        button.replaceChildren(icon("info"));
        panel.button = button;
      },
      onClick: () => panel.toggle(),
    });
    if (options.canFetchOriginal) {
      ui?.registerElement({
        name: "original",
        tagName: "a",

        ariaLabel: "Download the original",
        title: "Download the original",
        order: 8,
        isButton: true,
        onInit: (link) => {
          link.replaceChildren(icon("download"));
          link.setAttribute("data-turbo", "false");
          pswp.on("change", () => {
            const photo = options.photos()[pswp.currIndex];
            link.setAttribute("href", photo?.originalUrl ?? "");
            link.setAttribute("download", photo?.name ?? "");
          });
        },
      });
    }
  });
  pswp.on("keydown", ({ originalEvent }) => {
    if (originalEvent.key === "i" && !originalEvent.ctrlKey && !originalEvent.metaKey) {
      panel.toggle();
    }
  });
}

class DetailsPanel {
  readonly element = element("aside", { class: "pswp-panel", "aria-label": "Details of this photo" });
  readonly #name = element("h2", { dir: "auto" });
  readonly #list = element("dl");
  readonly #sidecarsOf: LightboxOptions["sidecarsOf"];
  #photo: WallPhoto | null = null;
  button: HTMLElement | null = null;

  constructor(sidecarsOf: LightboxOptions["sidecarsOf"]) {
    this.#sidecarsOf = sidecarsOf;
    this.element.append(this.#name, this.#list);
    // A click into the panel is none onto the black, which would close the photo.
    for (const type of ["pointerdown", "click", "wheel"]) {
      this.element.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  toggle(): void {
    const isOpen = this.element.toggleAttribute("data-open");
    this.button?.setAttribute("aria-expanded", String(isOpen));
    void this.#showSidecars();
  }

  show(photo: WallPhoto): void {
    this.#photo = photo;
    setText(this.#name, photo.name);
    this.#list.replaceChildren(
      ...detailsOf(photo).flatMap(([label, value]) => [element("dt", {}, label), element("dd", {}, value)]),
    );
    void this.#showSidecars();
  }

  /** Asked for when somebody looks: most photos have none. */
  async #showSidecars(): Promise<void> {
    const photo = this.#photo;
    if (photo === null || this.#sidecarsOf === null || !this.element.hasAttribute("data-open")) {
      return;
    }
    const links = await this.#sidecarsOf(photo);
    for (const shown of this.#list.querySelectorAll("[data-sidecar]")) {
      shown.remove();
    }
    if (photo === this.#photo && links.length > 0) {
      this.#list.append(...sidecarRow(links));
    }
  }
}

function sidecarRow(links: readonly SidecarLink[]): readonly HTMLElement[] {
  const cells = links.map(({ name, url }) =>
    element(
      "dd",
      { "data-sidecar": "" },
      element("a", { href: url, download: name, "data-turbo": "false", dir: "auto" }, name),
    ),
  );
  return [element("dt", { "data-sidecar": "" }, "Edits"), ...cells];
}

export function detailsOf(photo: WallPhoto): readonly (readonly [string, string])[] {
  const megapixels = (photo.width * photo.height) / 1_000_000;
  const rows: (readonly [string, string])[] = [];
  if (photo.capturedAt !== null) {
    rows.push(["Taken", formatCaptured(photo.capturedAt)]);
  }
  if (photo.width > 0) {
    rows.push(["Size", `${photo.width} × ${photo.height} (${megapixels.toFixed(1)} MP)`]);
  }
  rows.push(["File", formatBytes(photo.sizeBytes)]);
  if (photo.camera !== "") {
    rows.push(["Camera", photo.camera]);
  }
  return [...rows, ...photo.details];
}

/** The camera's wall clock, written as if UTC and never shifted to where the reader is. */
function formatCaptured(capturedAt: string): string {
  const moment = new Date(capturedAt);
  if (Number.isNaN(moment.getTime())) {
    return capturedAt;
  }
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" }).format(
    moment,
  );
}
