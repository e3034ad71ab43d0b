// The words between page and Worker: the page imports these types and nothing else of the engine.
export type ChosenFile = { readonly file: File; readonly relativePath: string };
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
export type RowView = {
  readonly fileId: string; // stable in this browser session = client_id
  readonly galleryId: string;
  readonly name: string;
  readonly relativePath: string;
  readonly sizeBytes: number;
  readonly state: UploadStateWord;
  readonly sentBytes: number;
  readonly reasons: readonly string[]; // machine codes, e.g. "not_an_image", "file_too_large", "duplicate"; ui/ makes sentences
  readonly retryable: boolean;
  readonly photoId: string | null;
  readonly file: File | null; // for a local thumbnail: handed to the shelf with the file's first row, else null
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
  readonly waitingFor: "connection" | "sign_in" | null;
};
export type RowsView = "list" | "shelf";
export type EngineRequest =
  | { readonly type: "hello"; readonly baseUrl: string }
  | {
      readonly type: "add";
      readonly galleryId: string;
      readonly title: string;
      readonly files: readonly ChosenFile[];
    }
  | {
      readonly type: "pause" | "resume" | "cancel" | "remove" | "retry" | "keep_both";
      readonly galleryId?: string;
      readonly fileIds?: readonly string[];
      readonly code?: string; // every file of the group of problems with this code
    }
  // The window a view shows, answered now and on change; each view has one window, count 0 closes it.
  // The list holds every chosen file, the shelf those which are still to become photos.
  | {
      readonly type: "rows";
      readonly galleryId: string;
      readonly fromIndex: number;
      readonly count: number;
      readonly view?: RowsView;
    }
  | { readonly type: "watch"; readonly galleryId: string | null } // live socket of the gallery on screen
  | { readonly type: "retry_session" }; // after signing in again
export type EngineReport =
  | {
      readonly type: "tally";
      readonly galleries: readonly GalleryTally[];
      readonly total: GalleryTally | null;
    } // ≤ 4/s
  | {
      readonly type: "rows";
      readonly galleryId: string;
      readonly view?: RowsView; // absent = list
      readonly fromIndex: number;
      readonly rowCount: number;
      readonly rows: readonly RowView[];
    }
  | { readonly type: "live"; readonly message: unknown }; // parsed socket message (wire.ts type) of the watched gallery
