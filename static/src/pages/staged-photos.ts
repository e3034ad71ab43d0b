// Photos that are safe and not published, on a wall of their own. Who may publish them sees them there, nobody else does.

import { systemClock } from "../kernel/clock.ts";
import { setText } from "../ui/element.ts";
import { PhotoWall, type WallOptions } from "../ui/photo-wall.ts";
import { photosOf } from "../ui/quantities.ts";
import type { WallOrder, WallPhoto } from "../ui/wall-photo.ts";
import { PhotoStore, photosOverHttp } from "./photo-store.ts";

export type StagedPorts = Readonly<{
  root: HTMLElement;
  galleryId: string;
  /** The gallery's version that the page was made of. */
  version: number;
  order: WallOrder;
  wall: Omit<WallOptions, "root" | "status">;
  onChange: () => void;
}>;

export class StagedPhotos {
  readonly wall: PhotoWall;
  readonly #ports: StagedPorts;
  readonly #store: PhotoStore;

  constructor(ports: StagedPorts) {
    this.#ports = ports;
    this.wall = new PhotoWall({ ...ports.wall, root: this.#part("staged-wall"), status: "staged" });
    const store = { clock: systemClock, ...photosOverHttp(ports.galleryId, "staged") };
    const kind = { status: "staged", order: ports.order } as const;
    this.#store = new PhotoStore(store, kind, (arrived) => this.#show(arrived));
  }

  /** Where the page says that there are none, nothing is asked. */
  begin(): void {
    const none = { photos: [], nextCursor: null, version: this.#ports.version };
    void this.#store.begin(this.#told === 0 ? none : null);
  }

  end(): void {
    this.#store.end();
    this.wall.end();
  }

  get photos(): readonly WallPhoto[] {
    return this.#store.photos;
  }

  /** A list still being read knows fewer than the page told of. */
  get count(): number {
    return this.#store.isWhole ? this.photos.length : Math.max(this.photos.length, this.#told);
  }

  heard(message: unknown): void {
    this.#store.heard(message);
  }

  apply(changed: readonly WallPhoto[]): void {
    this.#store.apply(changed);
  }

  checkSoon(): void {
    this.#store.checkSoon();
  }

  get #told(): number {
    return Number(this.#ports.root.dataset["count"] ?? 0);
  }

  #show(arrived: ReadonlySet<string>): void {
    const { count } = this;
    // Shown first: what is hidden has no width to lay photos in.
    this.#ports.root.hidden = count === 0;
    this.wall.show(this.photos, arrived);
    setText(this.#part("staged-words"), stagedWords(count));
    setText(this.#part("staged-seen-by"), count === 1 ? "Only you see it." : "Only you see these.");
    this.#ports.onChange();
  }

  #part(name: string): HTMLElement {
    const part = this.#ports.root.querySelector<HTMLElement>(`[data-part="${name}"]`);
    if (part === null) {
      throw new Error(`the page has no part named ${name}`);
    }
    return part;
  }
}

function stagedWords(count: number): string {
  return `${photosOf(count)} ${count === 1 ? "waits" : "wait"} to be published.`;
}
