// Pure: which files are one press of the shutter: a camera's RAW, its JPEG or HEIC, and an editor's notes beside them.

import { groupedBy } from "../kernel/grouped.ts";

export type ShotPart = {
  /** Folder and name without endings: what the files of one shot have in common. */
  readonly key: string;
  readonly kind: "raw" | "picture" | "sidecar" | "other";
};

const RAW_ENDINGS: ReadonlySet<string> = new Set(
  "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f".split(
    " ",
  ),
);
/** What cameras write beside a RAW. A PNG or TIFF of that name was made by a person. */
const PICTURE_ENDINGS: ReadonlySet<string> = new Set("jpg jpeg jpe heic heif hif".split(" "));
const SIDECAR_ENDING = "xmp";
/** The order in which the parts of a shot are sent: what can be seen soonest comes first. */
const RANKS: Readonly<Record<ShotPart["kind"], number>> = { picture: 0, sidecar: 1, other: 2, raw: 3 };

export function shotPartOf(path: string): ShotPart {
  const whole = plainPathOf(path);
  const [stem, ending] = splitEnding(whole);
  const kind = kindOf(ending);
  // Some editors write IMG_1.xmp, others IMG_1.CR3.xmp.
  const [innerStem, innerEnding] = splitEnding(stem);
  const isDouble = kind === "sidecar" && ["raw", "picture"].includes(kindOf(innerEnding));
  return { key: isDouble ? innerStem : stem, kind };
}

function plainPathOf(path: string): string {
  return path.normalize("NFC").toLowerCase();
}

function splitEnding(path: string): readonly [stem: string, ending: string] {
  const dot = path.lastIndexOf(".");
  return dot <= path.lastIndexOf("/") + 1 ? [path, ""] : [path.slice(0, dot), path.slice(dot + 1)];
}

function kindOf(ending: string): ShotPart["kind"] {
  if (RAW_ENDINGS.has(ending)) return "raw";
  if (PICTURE_ENDINGS.has(ending)) return "picture";
  return ending === SIDECAR_ENDING ? "sidecar" : "other";
}

/** `IMG_1.JPG + CR3`. */
export function nameOfShot([first = "", ...others]: readonly string[]): string {
  return [first, ...others.map((name) => name.slice(name.lastIndexOf(".") + 1))].join(" + ");
}

/** Groups in the order of their first files; whatever belongs to no RAW is a group of its own. */
export function groupShots<File>(
  files: readonly File[],
  partOf: (file: File) => ShotPart,
): readonly (readonly File[])[] {
  const rawKeys = new Set(files.map(partOf).flatMap(({ key, kind }) => (kind === "raw" ? [key] : [])));
  const shots = new Map<string, File[]>();
  const groups: File[][] = [];
  for (const file of files) {
    const { key, kind } = partOf(file);
    const known = kind === "other" ? undefined : shots.get(key);
    if (known !== undefined) {
      known.push(file);
      continue;
    }
    const group = [file];
    groups.push(group);
    if (kind !== "other" && rawKeys.has(key)) shots.set(key, group);
  }
  return groups;
}

/** The same files, each shot together, its picture before its RAW. */
export function inOrderOfSending<File>(
  files: readonly File[],
  partOf: (file: File) => ShotPart,
): readonly File[] {
  const rank = (file: File): number => RANKS[partOf(file).kind];
  return groupShots(files, partOf).flatMap((group) =>
    group.length === 1 ? group : [...group].sort((one, other) => rank(one) - rank(other)),
  );
}

/** Photos by what an editor's notes call them. */
export class ShotIndex<Photo> {
  readonly #byPath: ReadonlyMap<string, readonly Photo[]>;
  readonly #byShot: ReadonlyMap<string, readonly Photo[]>;
  readonly #ofCamera: ReadonlyMap<string, readonly Photo[]>;

  constructor(photos: readonly Photo[], pathOf: (photo: Photo) => string) {
    this.#byPath = groupedBy(photos, (photo) => plainPathOf(pathOf(photo)));
    this.#byShot = groupedBy(photos, (photo) => shotPartOf(pathOf(photo)).key);
    const ofCamera = photos.filter((photo) => shotPartOf(pathOf(photo)).kind !== "other");
    this.#ofCamera = groupedBy(ofCamera, (photo) => shotPartOf(pathOf(photo)).key);
  }

  /**
   * The photos that these notes are about: that which they name whole (IMG_1.CR3.xmp), else what the camera made of the
   * shot, else whatever bears its name.
   */
  about(notesPath: string): readonly Photo[] {
    const [named] = splitEnding(plainPathOf(notesPath));
    const { key } = shotPartOf(notesPath);
    return this.#byPath.get(named) ?? this.#ofCamera.get(key) ?? this.#byShot.get(key) ?? [];
  }
}
