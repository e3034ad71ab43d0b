import type { FileState } from "../domain/file-machine.ts";
import { nameOfShot } from "../domain/shots.ts";
import { nextSpeed } from "../domain/speed.ts";
import { percentOf, type Tally, tallyOf, troublesOf } from "../domain/tally.ts";
import type { Cancel, Clock } from "../kernel/clock.ts";
import { groupedBy } from "../kernel/grouped.ts";
import { type FileEntry, type GalleryEntry, isOpen, openCount, shotsOf } from "./catalogue.ts";
import type { EngineReport, GalleryTally, KeptCounts, RowsView, RowView } from "./port.ts";
import { type AboutPhoto, fateOf } from "./sidecars-told.ts";

/** A page that sees these uploads: one in each tab. */
export type ViewerId = string;
/** Tells one viewer; without a viewer, all of them. */
export type Report = (report: EngineReport, to?: ViewerId) => void;

export type ReporterPorts = {
  readonly clock: Clock;
  readonly galleries: ReadonlyMap<string, GalleryEntry>;
  readonly keptOf: (entry: FileEntry) => keyof KeptCounts;
  /** A page shows this file, and nothing of it is at hand for its picture. */
  readonly onBlank: (entry: FileEntry) => void;
  readonly waitingFor: () => "connection" | "sign_in" | null;
  readonly report: Report;
};

/** Nobody reads numbers more often, and each report makes the page draw, beside what is being sent. */
const REPORT_EVERY_MS = 500;
/** What a person did, or waits for, shows sooner; thousands of chosen files are many deeds in a row. */
const NEWS_EVERY_MS = 250;
/** A larger window is asked for to know which files there are: nobody sees them all. */
const MAX_ROWS_SEEN = 200;
const MAX_CHANGED_NAMES = 100;

type Window = {
  readonly galleryId: string;
  readonly fromIndex: number;
  readonly count: number;
  readonly view?: RowsView;
};

type Viewer = {
  readonly windows: Map<RowsView, Window>;
  /** Files it was handed, for their pictures: a handle costs the browser's other processes work each time. */
  readonly handed: Set<string>;
  /** The gallery on its screen. */
  watchedId: string | null;
};

/** What a row stands for: a file, or the files of one shot; the first of them gave it its name. */
type Shot = readonly FileEntry[];

/** Of thousands of files, grouped again only when one has come or was removed, not for every report. */
type Grouped = { readonly files: string; readonly shots: readonly Shot[] };

/** The shots of a view, looked up once for all the windows on it. */
type ShotsOf = (galleryId: string, view: RowsView) => readonly Shot[];

/** The shelf shows what is still to become a photo of the wall. */
const OFF_VIEW: Readonly<Record<RowsView, ReadonlySet<FileState["name"]>>> = {
  list: new Set(["removed"]),
  shelf: new Set(["removed", "done", "invalid"]),
  open: new Set(["removed", "done", "invalid"]),
};

/** A shot is where the part of it is that has the longest way to go. */
const LEAST_ADVANCED_FIRST: readonly FileState["name"][] = [
  "failed",
  "invalid",
  "waiting",
  "paused",
  "inspecting",
  "queued",
  "signing",
  "uploading",
  "confirming",
  "done",
  "removed",
];

/** Tells its viewers what has changed: sums all of them, rows and live messages only who looks at them. */
export class Reporter {
  readonly #ports: ReporterPorts;
  readonly #viewers = new Map<ViewerId, Viewer>();
  readonly #grouped = new WeakMap<GalleryEntry, Grouped>();
  /** They had ended, with nothing to try again, before what is on its way now was added: the sum is about the others. */
  readonly #earlierIds = new Set<string>();
  /** Null until a gallery was told of. */
  #isAnyOpen: boolean | null = null;
  #lastMs = Number.NEGATIVE_INFINITY;
  #dueMs = Number.NEGATIVE_INFINITY;
  #cancel: Cancel | null = null;

  constructor(ports: ReporterPorts) {
    this.#ports = ports;
  }

  /** At once where nothing was told for a while, else with the next report. */
  changed(): void {
    this.#tellAt(this.#lastMs + REPORT_EVERY_MS);
  }

  /** More than numbers has changed. */
  hasNews(): void {
    this.#tellAt(this.#lastMs + NEWS_EVERY_MS);
  }

  #tellAt(dueMs: number): void {
    if (this.#cancel !== null && this.#dueMs <= dueMs) return;
    this.#cancel?.();
    this.#dueMs = dueMs;
    const delayMs = Math.max(0, dueMs - this.#ports.clock.nowMs());
    this.#cancel = this.#ports.clock.after(delayMs, () => this.#tell());
  }

  show(viewerId: ViewerId, window: Window): void {
    const viewer = this.#viewer(viewerId);
    const view = window.view ?? "list";
    if (window.count === 0) viewer.windows.delete(view);
    else viewer.windows.set(view, window);
    this.#tellRows(viewerId, viewer, window, (galleryId) => this.#shotsOf(galleryId, view));
  }

  /** Answers the gallery this viewer watched before. */
  watch(viewerId: ViewerId, galleryId: string | null): string | null {
    const viewer = this.#viewer(viewerId);
    const before = viewer.watchedId;
    viewer.watchedId = galleryId;
    return before;
  }

  isWatched(galleryId: string): boolean {
    return [...this.#viewers.values()].some(({ watchedId }) => watchedId === galleryId);
  }

  tellLive(galleryId: string, message: unknown): void {
    for (const [viewerId, { watchedId }] of this.#viewers) {
      if (watchedId === galleryId) this.#ports.report({ type: "live", message }, viewerId);
    }
  }

  /** A viewer that is gone costs nothing. */
  forget(viewerId: ViewerId): void {
    this.#viewers.delete(viewerId);
  }

  #viewer(id: ViewerId): Viewer {
    const known = this.#viewers.get(id);
    if (known !== undefined) return known;
    const viewer = { windows: new Map(), handed: new Set<string>(), watchedId: null };
    this.#viewers.set(id, viewer);
    return viewer;
  }

  #tell(): void {
    this.#cancel = null;
    this.#lastMs = this.#ports.clock.nowMs();
    const galleries = [...this.#ports.galleries.values()].map((gallery) => this.#tallyOf(gallery));
    this.#beginRound(galleries);
    this.#ports.report({ type: "tally", galleries, total: this.#totalOf(galleries), isMirror: false });
    this.#tellAllRows();
    // Speed and time left fade even while nothing else happens.
    if (galleries.some((gallery) => gallery.bytesPerS !== null && gallery.phase === "publishing"))
      this.changed();
  }

  /** A round begins with the first file after all had ended; a later visit begins with the round that ended last. */
  #beginRound(galleries: readonly GalleryTally[]): void {
    if (galleries.length === 0) return;
    const open = galleries.filter((tally) => openFilesOf(tally) > 0);
    const isFirst = this.#isAnyOpen === null;
    if (isFirst || (open.length > 0 && !this.#isAnyOpen)) this.#endRound(galleries);
    this.#isAnyOpen = open.length > 0;
    for (const { galleryId } of open) this.#earlierIds.delete(galleryId);
    if (isFirst && open.length === 0) this.#earlierIds.delete(lastToEnd(this.#ports.galleries)?.id ?? "");
  }

  #endRound(galleries: readonly GalleryTally[]): void {
    for (const { galleryId, problems } of galleries) {
      if (!problems.some(({ retryable }) => retryable)) this.#earlierIds.add(galleryId);
    }
  }

  #totalOf(galleries: readonly GalleryTally[]): GalleryTally | null {
    const counted = galleries.filter(({ galleryId }) => !this.#earlierIds.has(galleryId));
    return joinedAll(counted.length === 0 ? galleries : counted);
  }

  #tellAllRows(): void {
    const found = new Map<string, readonly Shot[]>();
    const shotsOfView: ShotsOf = (galleryId, view) => {
      const key = `${view} ${galleryId}`;
      const shots = found.get(key) ?? this.#shotsOf(galleryId, view);
      found.set(key, shots);
      return shots;
    };
    for (const [viewerId, viewer] of this.#viewers) {
      for (const window of viewer.windows.values()) this.#tellRows(viewerId, viewer, window, shotsOfView);
    }
  }

  #tallyOf(gallery: GalleryEntry): GalleryTally {
    const waitingFor = openCount(gallery) > 0 ? this.#ports.waitingFor() : null;
    const isRunning = openCount(gallery) > 0 && !gallery.isPaused && waitingFor === null;
    const tally = tallyOf(gallery.files.map((entry) => ({ name: entry.name, state: entry.runner.state })));
    this.#measure(gallery, tally, isRunning);
    const state = gallery.runner.state;
    return {
      galleryId: gallery.id,
      title: gallery.title,
      phase: state.name,
      outcome: state.name === "complete" ? state.outcome : null,
      ...tally,
      bytesPerS: isRunning ? gallery.speed.bytesPerS : null,
      secondsLeft: isRunning ? gallery.speed.secondsLeft : null,
      paused: gallery.isPaused,
      kept: this.#keptCounts(gallery),
      askableCount: gallery.files.filter(isAskable).length,
      changedNames: gallery.changedNames.slice(-MAX_CHANGED_NAMES),
      waitingFor,
    };
  }

  #measure(gallery: GalleryEntry, tally: Tally, isRunning: boolean): void {
    const countedFiles = tally.chosenCount - tally.failedCount - tally.removedCount;
    gallery.speed = nextSpeed(gallery.speed, {
      atMs: this.#lastMs,
      isRunning,
      movedBytes: gallery.movedBytes,
      bytesLeft: tally.bytesTotal - tally.bytesSent - gallery.underwayBytes,
      doneFiles: tally.doneCount,
      filesLeft: countedFiles - tally.doneCount,
      confirmingFiles: tally.files.confirming,
    });
  }

  #keptCounts(gallery: GalleryEntry): KeptCounts {
    const counts = { bytes: 0, handle: 0, none: 0 };
    for (const entry of gallery.files) {
      if (isOpen(entry)) counts[this.#ports.keptOf(entry)] += 1;
    }
    return counts;
  }

  #shotsOf(galleryId: string, view: RowsView): readonly Shot[] {
    const gallery = this.#ports.galleries.get(galleryId);
    if (gallery === undefined) return [];
    const isOn = (entry: FileEntry): boolean => !OFF_VIEW[view].has(entry.runner.state.name);
    // Who counts files needs each of them.
    if (view === "open") return gallery.files.filter(isOn).map((entry) => [entry]);
    const shots = this.#groupedOf(gallery).shots;
    return view === "list" ? shots : shots.filter((shot) => shot.some(isOn));
  }

  /** What was removed belongs to no shot. */
  #groupedOf(gallery: GalleryEntry): Grouped {
    const removed = gallery.files.filter(isRemoved).map(({ order }) => order);
    const files = `${gallery.files.length} - ${removed}`;
    const known = this.#grouped.get(gallery);
    if (known?.files === files) return known;
    const grouped = { files, shots: shotsOf(gallery.files.filter((entry) => !isRemoved(entry))) };
    this.#grouped.set(gallery, grouped);
    return grouped;
  }

  #tellRows(viewerId: ViewerId, viewer: Viewer, window: Window, shotsOfView: ShotsOf): void {
    const { galleryId, fromIndex, count, view = "list" } = window;
    const shots = shotsOfView(galleryId, view);
    const inWindow = shots.slice(fromIndex, fromIndex + count);
    const isSeen = view !== "open" && count <= MAX_ROWS_SEEN;
    const rows = inWindow.flatMap((shot) => rowOfShot(shot, isSeen ? viewer : null) ?? []);
    if (isSeen) this.#findBlanks(inWindow);
    const rowCount = shots.length;
    const fileCount = shots.reduce((sum, shot) => sum + shot.length, 0);
    this.#ports.report({ type: "rows", galleryId, view, fromIndex, rowCount, fileCount, rows }, viewerId);
  }

  #findBlanks(shots: readonly Shot[]): void {
    for (const [first] of shots) {
      if (first !== undefined && first.file === null && isOpen(first)) this.#ports.onBlank(first);
    }
  }
}

function isRemoved({ runner }: FileEntry): boolean {
  return runner.state.name === "removed";
}

/** A person can let it be read again with one click. */
function isAskable(entry: FileEntry): boolean {
  const { state } = entry.runner;
  return entry.needsPermission && state.name === "waiting" && state.why === "file_needed";
}

function handOnce(viewer: Viewer, entry: FileEntry): Blob | null {
  if (entry.file === null || viewer.handed.has(entry.clientId)) return null;
  viewer.handed.add(entry.clientId);
  return entry.file;
}

function rowOfShot(shot: Shot, viewer: Viewer | null): RowView | null {
  const [first] = shot;
  if (first === undefined) return null;
  const row = rowOf(first, viewer === null ? null : handOnce(viewer, first));
  return shot.length === 1 ? row : { ...row, ...sumsOf(shot) };
}

/** One row for all: its bytes, and the state, with its reasons, of the part that is least advanced. */
function sumsOf(shot: Shot): Partial<RowView> {
  const rows = shot.map((entry) => rowOf(entry, null));
  const place = ({ state }: RowView): number => LEAST_ADVANCED_FIRST.indexOf(state);
  const last = rows.reduce((one, other) => (place(other) < place(one) ? other : one));
  return {
    name: nameOfShot(rows.map(({ name }) => name)),
    sizeBytes: rows.reduce((sum, row) => sum + row.sizeBytes, 0),
    sentBytes: rows.reduce((sum, row) => sum + row.sentBytes, 0),
    state: last.state,
    reasons: last.reasons,
    retryable: rows.some(({ retryable }) => retryable),
    ...sidecarsIn(shot),
    parts: rows.map(({ fileId, name, state }) => ({ fileId, name, state })),
  };
}

function rowOf(entry: FileEntry, file: Blob | null): RowView {
  const state = entry.runner.state;
  const troubles = troublesOf(state);
  return {
    fileId: entry.clientId,
    uploadId: state.way.uploadId,
    galleryId: entry.gallery.id,
    name: entry.name,
    relativePath: entry.relativePath,
    sizeBytes: state.way.plan.fileBytes,
    state: state.name,
    sentBytes: state.way.sentBytes,
    reasons: reasonsOf(state),
    retryable: troubles.some(({ retryable }) => retryable),
    photoId: state.name === "done" ? state.photoId : null,
    ...sidecarsIn([entry]),
    kept: "none",
    file,
  };
}

function sidecarsIn(shot: Shot): Pick<RowView, "sidecars"> {
  const all = shot.flatMap((entry) => entry.sidecars.map((sidecar): AboutPhoto => ({ sidecar, entry })));
  if (all.length === 0) return {};
  const byName = groupedBy(all, ({ sidecar }) => sidecar.name);
  return { sidecars: Array.from(byName, ([name, same]) => ({ name, ...fateOf(same) })) };
}

/** Codes of why a file is not simply done; waiting files say what for. */
function reasonsOf(state: FileState): readonly string[] {
  if (state.name === "waiting") return [state.why];
  if (state.name === "done") return state.isDuplicate ? ["duplicate"] : [];
  return troublesOf(state).map(({ code }) => code);
}

function lastToEnd(galleries: ReadonlyMap<string, GalleryEntry>): GalleryEntry | undefined {
  return [...galleries.values()].sort((one, other) => (other.endedAtMs ?? 0) - (one.endedAtMs ?? 0))[0];
}

function joinedAll(galleries: readonly GalleryTally[]): GalleryTally | null {
  const [first, ...others] = galleries;
  return first === undefined ? null : others.reduce(joined, first);
}

/** Two galleries as one line of the dock. */
function joined(one: GalleryTally, other: GalleryTally): GalleryTally {
  const bytesTotal = one.bytesTotal + other.bytesTotal;
  const bytesSent = one.bytesSent + other.bytesSent;
  const isWhole = [one, other].every((tally) => tally.percent === 100 || countedCount(tally) === 0);
  const files = Object.fromEntries(
    Object.entries(one.files).map(([word, count]) => [
      word,
      count + other.files[word as keyof typeof other.files],
    ]),
  ) as GalleryTally["files"];
  return {
    galleryId: "",
    title: "",
    phase: joinedPhase(one, other),
    outcome: joinedOutcome(one, other),
    percent: percentOf(bytesSent, bytesTotal, isWhole && countedCount(one) + countedCount(other) > 0),
    files,
    chosenCount: one.chosenCount + other.chosenCount,
    doneCount: one.doneCount + other.doneCount,
    failedCount: one.failedCount + other.failedCount,
    removedCount: one.removedCount + other.removedCount,
    duplicateCount: one.duplicateCount + other.duplicateCount,
    bytesTotal,
    bytesSent,
    bytesPerS: sumOrNull(one.bytesPerS, other.bytesPerS),
    secondsLeft: longerOrNull(one.secondsLeft, other.secondsLeft),
    problems: joinedProblems([...one.problems, ...other.problems]),
    paused: (one.paused || other.paused) && [one, other].every(isPausedOrOver),
    kept: {
      bytes: one.kept.bytes + other.kept.bytes,
      handle: one.kept.handle + other.kept.handle,
      none: one.kept.none + other.kept.none,
    },
    askableCount: one.askableCount + other.askableCount,
    changedNames: [...one.changedNames, ...other.changedNames],
    waitingFor: one.waitingFor ?? other.waitingFor,
  };
}

function isPausedOrOver(tally: GalleryTally): boolean {
  return tally.paused || openFilesOf(tally) === 0;
}

function openFilesOf(tally: GalleryTally): number {
  return countedCount(tally) - tally.doneCount;
}

function joinedProblems(problems: GalleryTally["problems"]): GalleryTally["problems"] {
  const byCode = new Map<string, GalleryTally["problems"][number]>();
  for (const problem of problems) {
    const before = byCode.get(problem.code);
    const joint = before ?? { ...problem, count: 0, names: [] };
    byCode.set(problem.code, {
      ...joint,
      count: joint.count + problem.count,
      names: [...joint.names, ...problem.names],
    });
  }
  return [...byCode.values()];
}

function countedCount(tally: GalleryTally): number {
  return tally.chosenCount - tally.failedCount - tally.removedCount;
}

function joinedPhase(one: GalleryTally, other: GalleryTally): GalleryTally["phase"] {
  if (one.phase === "publishing" || other.phase === "publishing") return "publishing";
  return one.phase === "complete" && other.phase === "complete" ? "complete" : "form";
}

function joinedOutcome(one: GalleryTally, other: GalleryTally): GalleryTally["outcome"] {
  if (joinedPhase(one, other) !== "complete") return null;
  return one.outcome === other.outcome ? one.outcome : "some";
}

function sumOrNull(one: number | null, other: number | null): number | null {
  return one === null && other === null ? null : (one ?? 0) + (other ?? 0);
}

/** Both share one line: the longer of the two is the end. */
function longerOrNull(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other);
}
