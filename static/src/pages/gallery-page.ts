// The gallery on screen: wall, shelf, choosing, lightbox and the state it shows for people and tests.

import { type Profile, WIDEST_PROFILE } from "../domain/profile.ts";
import { parseProfile } from "../domain/wire.ts";
import type { ChosenFile, EngineReport, GalleryTally, Root } from "../engine/port.ts";
import { systemClock } from "../kernel/clock.ts";
import { listenForPhotos } from "../ui/dropzone.ts";
import { setText } from "../ui/element.ts";
import { ElsewhereLine } from "../ui/elsewhere-line.ts";
import type { EngineLink } from "../ui/engine-link.ts";
import { type Lightbox, openLightbox } from "../ui/lightbox.ts";
import { showNotice } from "../ui/notice.ts";
import { PhotoWall, type WallOptions } from "../ui/photo-wall.ts";
import type { Previews } from "../ui/previews.ts";
import { profileWords } from "../ui/profile-words.ts";
import { formatBytes, photosOf } from "../ui/quantities.ts";
import { RoomLine } from "../ui/room-line.ts";
import { SidecarLine } from "../ui/sidecar-line.ts";
import { UploadShelf } from "../ui/upload-shelf.ts";
import { openCount, outcomeOf, verifiedWords } from "../ui/upload-words.ts";
import { readPhotoPage, type WallOrder, type WallPhoto } from "../ui/wall-photo.ts";
import { type ReadFiles, readChosenFiles } from "./chosen-files.ts";
import { firstRows } from "./first-rows.ts";
import { Leftovers } from "./leftovers.ts";
import { changePhoto, enterPhoto, leavePhoto, listenForPhotoSteps } from "./photo-history.ts";
import { sidecarsOf } from "./photo-sidecars.ts";
import { PhotoStore, photosOverHttp } from "./photo-store.ts";
import { type GalleryOutcome, type GalleryPhase, Publishing } from "./publishing.ts";
import { SelectionBar } from "./selection-bar.ts";
import { StagedPhotos } from "./staged-photos.ts";

type RowsReport = Extract<EngineReport, { type: "rows" }>;

/** Photos that a person walks through: those of one wall. */
type Shown = Readonly<{ store: Readonly<{ photos: readonly WallPhoto[] }>; wall: PhotoWall }>;

export class GalleryPage {
  readonly #main: HTMLElement;
  readonly #engine: EngineLink;
  readonly #id: string;
  readonly #url: string;
  readonly #store: PhotoStore;
  readonly #wall: PhotoWall;
  /** null for who may not publish. */
  readonly #staged: StagedPhotos | null;
  /** Chosen photos, by wall. */
  readonly #selected = new Map<PhotoWall, ReadonlySet<string>>();
  readonly #selectionBar: SelectionBar;
  readonly #shelf: UploadShelf;
  #shelfCapacity = 0;
  readonly #elsewhere: ElsewhereLine;
  readonly #sidecarLine: SidecarLine;
  readonly #ends: (() => void)[] = [];
  #publishing: Publishing | null = null;
  #leftovers: Leftovers | null = null;
  #tally: GalleryTally | null = null;
  /** Another tab ended the uploads of this one. */
  #isSignedOut = false;
  readonly #profile: Profile;
  readonly #room: RoomLine;
  #lightbox: Lightbox | null = null;
  /** Whose photos it shows. */
  #lightboxOf: Shown["store"] | null = null;
  /** A photo the address asks for, until the wall has it. */
  #wantedPhotoId: string | null;

  constructor(main: HTMLElement, engine: EngineLink, previews: Previews) {
    this.#main = main;
    this.#engine = engine;
    this.#id = main.dataset["galleryId"] ?? "";
    this.#url = main.dataset["galleryUrl"] ?? location.pathname;
    this.#wantedPhotoId = main.dataset["photoShown"] ?? null;
    this.#elsewhere = new ElsewhereLine(main, partOf(main, "elsewhere"), systemClock);
    this.#sidecarLine = new SidecarLine(partOf(main, "finish"));
    this.#shelf = new UploadShelf(partOf(main, "shelf"), previews, () => this.#showEmptiness());
    const profile = parseProfile(JSON.parse(main.dataset["profile"] ?? "null"));
    this.#profile = profile.ok ? profile.value : WIDEST_PROFILE;
    this.#room = new RoomLine(main, this.#profile.maxPhotos, () =>
      this.#engine.send({ type: "remove", galleryId: this.#id, code: "gallery_full" }),
    );
    this.#selectionBar = new SelectionBar(partOf(main, "selection"), {
      galleryId: this.#id,
      canDelete: this.#may("delete"),
      canDownload: main.querySelector("[data-part='download']") !== null,
      clear: () => {
        this.#wall.clearSelection();
        this.#staged?.wall.clearSelection();
      },
      changed: (photos) => {
        this.#store.apply(photos);
        this.#staged?.apply(photos);
      },
    });
    this.#wall = new PhotoWall({
      root: partOf(main, "wall"),
      status: "ready",
      ...this.#wallOptions(() => this.#published),
    });
    const order = (main.dataset["order"] ?? "captured") as WallOrder;
    const ports = { clock: systemClock, ...photosOverHttp(this.#id, "ready") };
    this.#store = new PhotoStore(ports, { status: "ready", order }, (arrived) => this.#showPhotos(arrived));
    const first = readPhotoPage(embeddedJson(main));
    this.#staged = this.#makeStaged(order, first.version);
    this.#start();
    void this.#store.begin(first);
    this.#staged?.begin();
  }

  end(): void {
    this.#engine.send({ type: "watch", galleryId: null });
    this.#engine.send({ type: "rows", galleryId: this.#id, view: "shelf", fromIndex: 0, count: 0 });
    for (const end of this.#ends) {
      end();
    }
    this.#lightbox?.close();
    this.#elsewhere.end();
    this.#sidecarLine.end();
    this.#shelf.end();
    this.#store.end();
    this.#publishing?.end();
    this.#leftovers?.end();
    this.#staged?.end();
    this.#wall.end();
  }

  #makeStaged(order: WallOrder, version: number): StagedPhotos | null {
    const root = this.#main.querySelector<HTMLElement>("[data-part='staged']");
    if (root === null) {
      return null;
    }
    const staged = new StagedPhotos({
      root,
      galleryId: this.#id,
      version,
      order,
      wall: this.#wallOptions(() => shown),
      onChange: () => this.#showStaged(staged),
    });
    const shown = { store: staged, wall: staged.wall };
    return staged;
  }

  #wallOptions(shown: () => Shown): Omit<WallOptions, "root" | "status"> {
    return {
      canSelect: this.#may("select"),
      photoUrl: (photo) => this.#photoUrl(photo.id),
      onOpen: (index) => this.#open(shown(), index),
      onSelect: (selected) => this.#select(shown().wall, selected),
    };
  }

  get #published(): Shown {
    return { store: this.#store, wall: this.#wall };
  }

  get #notPublished(): Shown | null {
    return this.#staged === null ? null : { store: this.#staged, wall: this.#staged.wall };
  }

  #select(wall: PhotoWall, selected: ReadonlySet<string>): void {
    this.#selected.set(wall, selected);
    this.#selectionBar.show(new Set([...this.#selected.values()].flatMap((ids) => [...ids])));
  }

  #start(): void {
    this.#main.querySelector("[data-action='receipt']")?.addEventListener("click", () => {
      this.#engine.send({ type: "receipt", galleryId: this.#id });
    });
    this.#ends.push(
      this.#engine.subscribe((report) => this.#onReport(report)),
      listenForPhotoSteps((photoId) => this.#stepTo(photoId)),
    );
    if (this.#may("upload")) {
      this.#ends.push(this.#listenForFiles());
      const takes = partOf(this.#main, "takes");
      setText(takes, profileWords(this.#profile));
      takes.hidden = takes.textContent === "";
    }
    if (this.#may("upload")) {
      this.#leftovers = new Leftovers(partOf(this.#main, "leftovers"), this.#id);
      // Where nothing is missing now, another device may leave something while somebody looks.
      if (["attention", "receiving"].includes(this.#main.dataset["state"] ?? "")) {
        this.#leftovers.begin();
      }
    }
    const publish = this.#main.querySelector("[data-action='publish']");
    if (publish instanceof HTMLButtonElement) {
      this.#publishing = new Publishing({
        button: publish,
        panel: partOf(this.#main, "publication"),
        galleryId: this.#id,
        visibleMs: Number(this.#main.dataset["publishVisibleS"] ?? 0) * 1_000,
        engine: this.#engine,
        onPhase: (phase, outcome) => this.#showPhase(phase, outcome),
      });
    }
    this.#publishing?.start();
    this.#engine.send({ type: "watch", galleryId: this.#id });
    this.#shelfCapacity = this.#shelf.capacity(partOf(this.#main, "wall").clientWidth);
    this.#engine.send({
      type: "rows",
      galleryId: this.#id,
      view: "shelf",
      fromIndex: 0,
      count: this.#shelfCapacity,
    });
  }

  #may(what: string): boolean {
    return (this.#main.dataset["may"] ?? "").split(" ").includes(what);
  }

  #photoUrl(photoId: string): string {
    return `${this.#url}photos/${photoId}/`;
  }

  #listenForFiles(): () => void {
    const add = (reading: ReadFiles): void => {
      if (this.#isSignedOut) {
        showNotice("You are signed out. Sign in, then add the photos.");
        return;
      }
      const choiceId = crypto.randomUUID();
      let isFirst = true;
      void readChosenFiles(reading, {
        onPhotos: (files, roots) => {
          this.#add(files, roots, choiceId);
          if (isFirst) {
            this.#showFirst(files);
          }
          isFirst = false;
        },
        onSidecars: (files) => this.#engine.send({ type: "sidecars", galleryId: this.#id, choiceId, files }),
      });
    };
    return listenForPhotos(this.#main, {
      drop: (data) => add({ from: "drop", data }),
      paste: (data) => add({ from: "paste", data }),
      input: (input) => add({ from: "input", input }),
    });
  }

  #add(files: readonly ChosenFile[], roots: readonly Root[], choiceId: string): void {
    this.#publishing?.filesAdded();
    this.#engine.send({
      type: "add",
      galleryId: this.#id,
      title: this.#main.dataset["galleryTitle"] ?? "",
      files,
      roots,
      choiceId,
      profile: this.#profile,
    });
  }

  /** On an empty shelf they would be the first rows; where others are on their way, those are told by the engine. */
  #showFirst(files: readonly ChosenFile[]): void {
    if (this.#shelf.isEmpty) {
      this.#shelf.showChosen(firstRows(this.#id, files, this.#shelfCapacity));
      this.#showEmptiness();
    }
  }

  #onReport(report: EngineReport): void {
    switch (report.type) {
      case "tally":
        this.#showTally(report.galleries.find((tally) => tally.galleryId === this.#id) ?? null);
        break;
      case "rows":
        this.#showRows(report);
        break;
      case "live":
        this.#elsewhere.heard(report.message);
        this.#store.heard(report.message);
        this.#staged?.heard(report.message);
        this.#publishing?.heard(report.message);
        this.#leftovers?.heard(report.message);
        break;
      case "sidecars":
        if (report.galleryId === this.#id) {
          this.#sidecarLine.show(report);
        }
        break;
      case "signed_out":
        this.#endUploads();
        break;
      case "receipt":
      case "flight_record":
        break;
      default:
        report satisfies never;
    }
  }

  /** What was on its way here has ended, and nothing is heard any more: the dock says why. */
  #endUploads(): void {
    this.#isSignedOut = true;
    this.#elsewhere.forget();
    this.#shelf.show([], 0);
    this.#showEmptiness();
  }

  #showRows({ galleryId, view, rows, rowCount, fileCount }: RowsReport): void {
    if (galleryId !== this.#id) {
      return;
    }
    if (view === "open") {
      this.#publishing?.showOpen(rows, rowCount);
    }
    if (view === "shelf") {
      this.#shelf.show(rows, fileCount ?? rowCount);
      this.#showEmptiness();
    }
  }

  #showTally(tally: GalleryTally | null): void {
    if (tally !== null && tally.chosenCount > 0) {
      this.#leftovers?.end();
    }
    this.#elsewhere.tellBusyHere(tally !== null && openCount(tally) > 0);
    this.#showFinish(tally);
    this.#publishing?.tellMoreIsComing(tally !== null && openCount(tally) > 0);
    if (this.#publishing === null) {
      this.#showPhase(tally?.phase ?? "form", tally?.outcome ?? null);
    } else if (tally !== null) {
      this.#publishing.engineKnowsGallery();
    }
    this.#tally = tally;
    this.#showRoom();
  }

  #showFinish(tally: GalleryTally | null): void {
    const finish = partOf(this.#main, "finish");
    const wasOver = !finish.hidden;
    finish.hidden = tally === null || !isOver(tally);
    if (tally === null || finish.hidden) {
      return;
    }
    if (!wasOver) {
      this.#store.checkSoon();
      this.#staged?.checkSoon();
    }
    setText(partOf(finish, "finish-words"), outcomeOf(tally));
    setText(partOf(finish, "finish-verified"), verifiedWords(tally));
  }

  #showPhase(phase: GalleryPhase, outcome: GalleryOutcome): void {
    this.#main.dataset["galleryState"] = phase;
    if (phase === "complete" && outcome !== null) {
      this.#main.dataset["outcome"] = outcome;
    } else {
      delete this.#main.dataset["outcome"];
    }
  }

  #showPhotos(arrived: ReadonlySet<string>): void {
    const { photos } = this.#store;
    this.#wall.show(photos, arrived);
    this.#showRoom();
    this.#showEmptiness();
    // A list still being read knows fewer photos than the server counted.
    if (this.#store.isWhole) {
      setText(partOf(this.#main, "facts"), factsOf(photos));
    }
    this.#openWanted();
  }

  #showStaged(staged: StagedPhotos): void {
    this.#publishing?.tellStaged(staged.count);
    if (staged.photos.length === 0 && this.#lightboxOf === staged) {
      this.#lightbox?.close();
    }
    this.#showRoom();
    this.#showEmptiness();
    this.#openWanted();
  }

  /** A full gallery offers no choosing; what is dropped on it anyway, the server judges. */
  #showRoom(): void {
    if (!this.#may("upload")) {
      return;
    }
    const tally = this.#tally;
    const full = tally?.problems.find(({ code }) => code === "gallery_full");
    const onTheWay = tally === null ? 0 : openCount(tally);
    const staged = this.#staged?.count ?? 0;
    const counted = Number(this.#main.dataset["photoCount"] ?? 0);
    const shown = this.#store.isWhole ? this.#store.photos.length : counted;
    this.#room.show(shown + staged + onTheWay, full?.count ?? 0);
  }

  #showEmptiness(): void {
    const isNoneThere = this.#store.photos.length === 0 && (this.#staged?.count ?? 0) === 0;
    partOf(this.#main, "empty").hidden = !(isNoneThere && this.#shelf.isEmpty);
  }

  #openWanted(): void {
    const place = this.#wantedPhotoId === null ? null : this.#placeOf(this.#wantedPhotoId);
    if (place !== null && this.#lightbox === null) {
      this.#wantedPhotoId = null;
      this.#show(place.shown, place.index);
    }
  }

  #open(shown: Shown, index: number): void {
    const photo = shown.store.photos[index];
    if (photo !== undefined && this.#lightbox === null) {
      enterPhoto(photo.id, this.#photoUrl(photo.id));
      this.#show(shown, index);
    }
  }

  #show({ store, wall }: Shown, index: number): void {
    this.#lightboxOf = store;
    this.#lightbox = openLightbox(index, {
      photos: () => store.photos,
      tileOf: (at) => wall.tileOf(at),
      canFetchOriginal: this.#may("fetch-original"),
      sidecarsOf: this.#may("fetch-original") ? sidecarsOf : null,
      onShown: (photo, at) => this.#onPhotoShown(wall, photo, at),
      onClosed: (at) => this.#onPhotoClosed(wall, at),
    });
  }

  #onPhotoShown(wall: PhotoWall, photo: WallPhoto, index: number): void {
    const url = this.#photoUrl(photo.id);
    if (location.pathname !== url) {
      changePhoto(photo.id, url);
    }
    wall.reveal(index);
  }

  #onPhotoClosed(wall: PhotoWall, index: number): void {
    this.#lightbox = null;
    if (location.pathname !== this.#url) {
      leavePhoto(this.#url);
    }
    wall.focus(index);
  }

  /** Back and Forward between the wall and its photos. */
  #stepTo(photoId: string | null): boolean {
    if (photoId === null) {
      const isOurs = this.#lightbox !== null || location.pathname === this.#url;
      this.#lightbox?.close();
      return isOurs && location.pathname === this.#url;
    }
    const place = this.#placeOf(photoId);
    if (place !== null && this.#lightbox === null) {
      this.#show(place.shown, place.index);
      return true;
    }
    const isInIt = place !== null && place.shown.store === this.#lightboxOf;
    if (isInIt) {
      this.#lightbox?.showAt(place.index);
    }
    return isInIt;
  }

  #placeOf(photoId: string): { shown: Shown; index: number } | null {
    for (const shown of [this.#published, this.#notPublished]) {
      const index = shown?.store.photos.findIndex((photo) => photo.id === photoId) ?? -1;
      if (shown !== null && index !== -1) return { shown, index };
    }
    return null;
  }
}

function partOf(root: HTMLElement, name: string): HTMLElement {
  const part = root.querySelector(`[data-part="${name}"]`);
  if (!(part instanceof HTMLElement)) {
    throw new Error(`the page has no part named ${name}`);
  }
  return part;
}

/** As templates/galleries/gallery.html says it of the server's counts. */
function factsOf(photos: readonly WallPhoto[]): string {
  const bytes = photos.reduce((sum, photo) => sum + photo.sizeBytes, 0);
  return bytes === 0 ? photosOf(photos.length) : `${photosOf(photos.length)} · ${formatBytes(bytes)}`;
}

function embeddedJson(main: HTMLElement): unknown {
  const text = main.querySelector("script[type='application/json']")?.textContent;
  return text ? JSON.parse(text) : null;
}

function isOver(tally: GalleryTally): boolean {
  return tally.chosenCount > 0 && tally.doneCount > 0 && openCount(tally) === 0;
}
