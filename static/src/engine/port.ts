// The words between page and Worker: the page imports these types and nothing else of the engine.
import type { Profile } from "../domain/profile.ts";

export type ChosenFile = {
  readonly file: File;
  readonly relativePath: string;
  /** What was dropped whole and can be asked for this file again in a later visit; see `roots` of `add`. */
  readonly rootId?: string;
};
/** A dropped file or folder. Its permission is asked for once, by the page. */
export type Root = { readonly id: string; readonly handle: FileSystemHandle };
/** How the bytes of files that are not over would be found again after this browser has died. */
export type KeptCounts = {
  /** Copied into this browser: they go on by themselves. */
  readonly bytes: number;
  /** Their folder is remembered: one click. */
  readonly handle: number;
  /** They would have to be chosen again. */
  readonly none: number;
};
/** One line of the receipt: a file of this round, and what the server says of it. */
export type ReceiptLine = {
  readonly name: string;
  readonly relativePath: string;
  readonly sizeBytes: number;
  readonly isVerified: boolean;
  readonly crc32: string | null;
  readonly sha256: string | null;
  /** Absolute address of the photo's page. */
  readonly where: string | null;
  /** Codes of why it is not verified. */
  readonly reasons: readonly string[];
};
/** The words of ARCHITECTURE §3, also written to data-upload-state. */
export type UploadStateWord =
  | "inspecting"
  | "invalid"
  | "queued"
  | "signing"
  | "uploading"
  | "confirming"
  | "done"
  | "waiting"
  | "paused"
  | "failed"
  | "removed";
export type SidecarView = {
  readonly name: string;
  readonly state: "waiting" | "kept" | "refused";
  readonly reason: string | null;
};
export type RowView = {
  readonly fileId: string; // stable in this browser session = client_id
  /** The server's row, once there is one. */
  readonly uploadId?: string | null;
  readonly galleryId: string;
  readonly name: string;
  readonly relativePath: string;
  readonly sizeBytes: number;
  readonly state: UploadStateWord;
  readonly sentBytes: number;
  readonly reasons: readonly string[]; // machine codes, e.g. "not_an_image", "file_too_large", "duplicate"; ui/ makes sentences
  readonly retryable: boolean;
  readonly photoId: string | null;
  /** Where the row is a shot of several files, RAW and JPEG: whatever is asked of the row is asked of them all. */
  readonly parts?: readonly {
    readonly fileId: string;
    readonly name: string;
    readonly state: UploadStateWord;
  }[];
  /** An editor's notes about it, each name once; `reason` is a code. Absent = none. */
  readonly sidecars?: readonly SidecarView[];
  readonly kept: keyof KeptCounts;
  readonly file: Blob | null; // for a local picture: handed to each page once, with a row that may be seen; else null
};
export type GalleryTally = {
  readonly galleryId: string;
  readonly title: string;
  readonly phase: "form" | "publishing" | "complete";
  readonly outcome: "all" | "some" | "none" | null;
  readonly percent: number; // integer, ≤ 99 until all confirmed
  readonly files: Readonly<Record<UploadStateWord, number>>;
  readonly chosenCount: number;
  readonly doneCount: number;
  readonly failedCount: number;
  readonly removedCount: number;
  readonly duplicateCount: number; // of those done
  readonly bytesTotal: number;
  readonly bytesSent: number;
  readonly bytesPerS: number | null;
  readonly secondsLeft: number | null;
  readonly problems: readonly {
    readonly code: string;
    readonly count: number;
    readonly retryable: boolean;
    readonly names: readonly string[];
  }[];
  readonly paused: boolean;
  readonly kept: KeptCounts;
  /** Files whose folder is remembered and whose permission only a person can give again. */
  readonly askableCount: number;
  /** Paths whose file has changed since it was chosen before: what was chosen now goes up as a new one. */
  readonly changedNames: readonly string[];
  readonly waitingFor: "connection" | "sign_in" | null;
};
/** Of an editor's notes (XMP) about the files of a gallery; told to all, and to who begins to watch it. */
export type SidecarsReport = {
  readonly type: "sidecars";
  readonly galleryId: string;
  readonly keptCount: number;
  readonly waitingCount: number;
  readonly problems: readonly { readonly code: string; readonly names: readonly string[] }[];
};
export type RowsView = "list" | "shelf" | "open";
export type EngineRequest =
  // Whose uploads these are: nothing is kept, and nothing taken up again, where nobody is signed in.
  | { readonly type: "hello"; readonly baseUrl: string; readonly accountId: string | null }
  | {
      readonly type: "add";
      readonly galleryId: string;
      readonly title: string;
      readonly files: readonly ChosenFile[];
      readonly roots?: readonly Root[];
      /** Names what a person chose at once; see `sidecars`. */
      readonly choiceId?: string;
      /** What the gallery takes, as its page knows it. */
      readonly profile?: Profile;
    }
  | {
      readonly type: "pause" | "resume" | "cancel" | "remove" | "retry" | "keep_both";
      readonly galleryId?: string;
      readonly fileIds?: readonly string[];
      readonly code?: string; // every file of the group of problems with this code
    }
  // An editor's notes (XMP), after the files that were chosen with them.
  | {
      readonly type: "sidecars";
      readonly galleryId: string;
      readonly choiceId: string;
      readonly files: readonly ChosenFile[];
    }
  // The window a view shows, answered now and on change; each view has one window, count 0 closes it.
  // The list holds every chosen file, the shelf those which are still to become photos;
  // open are the same, for whoever counts them and shows no picture.
  | {
      readonly type: "rows";
      readonly galleryId: string;
      readonly fromIndex: number;
      readonly count: number;
      readonly view?: RowsView;
    }
  | { readonly type: "watch"; readonly galleryId: string | null } // live socket of the gallery on screen
  | { readonly type: "retry_session" } // after signing in again
  | { readonly type: "roots_granted" } // a person gave back the permission to read remembered folders
  | { readonly type: "receipt"; readonly galleryId: string } // answered by `receipt`
  | { readonly type: "flight_record" } // answered by `flight_record`
  | { readonly type: "dismiss" } // what has ended is no longer told, nor remembered
  | { readonly type: "sign_out" }; // stops all, forgets all; answered by `signed_out`
export type EngineReport =
  | {
      readonly type: "tally";
      readonly galleries: readonly GalleryTally[];
      readonly total: GalleryTally | null;
      /** Another tab of this browser sends; this one shows the same. */
      readonly isMirror: boolean;
    } // twice a second, and what a person did at once: ≤ 10/s
  | {
      readonly type: "rows";
      readonly galleryId: string;
      readonly view?: RowsView; // absent = list
      readonly fromIndex: number;
      readonly rowCount: number;
      /** Of all those rows: a shot of several files is one row. Absent = one each. */
      readonly fileCount?: number;
      readonly rows: readonly RowView[];
    }
  | {
      readonly type: "receipt";
      readonly galleryId: string;
      readonly title: string;
      readonly lines: readonly ReceiptLine[];
    }
  // Retries, stalls, sleeps; no address, no token.
  | { readonly type: "flight_record"; readonly text: string }
  | SidecarsReport
  | { readonly type: "signed_out" }
  | { readonly type: "live"; readonly message: unknown }; // parsed socket message (wire.ts type) of the watched gallery
