// Pure: which messages of a gallery's socket were missed. I7: whatever is lost, doubled or out of order, the
// client ends where the server is.
import type { Step } from "../kernel/machine.ts";

/** `version` is null until the server has said one; `isBehind` until the list was read. */
export type Feed = { readonly version: number | null; readonly isBehind: boolean };

export type FeedEvent =
  | { readonly type: "snapshot"; readonly version: number }
  | { readonly type: "change"; readonly previous: number; readonly version: number }
  /** A list was read whole; `version` is the one read before its first page. */
  | { readonly type: "list_read"; readonly version: number };

export type FeedCommand = { readonly type: "read_list" };

export const newFeed: Feed = { version: null, isBehind: false };

const READ_LIST: FeedCommand = { type: "read_list" };

/** Rows are merged by their own versions whatever this answers; only the list is asked for when a gap shows. */
export function feed(state: Feed, event: FeedEvent): Step<Feed, FeedCommand> {
  if (event.type === "list_read") {
    return [{ version: Math.max(state.version ?? 0, event.version), isBehind: false }, []];
  }
  if (state.version !== null && event.version <= state.version) return [state, []];
  const isNext = event.type === "change" && !state.isBehind && reaches(event.previous, state.version);
  return isNext
    ? [{ version: event.version, isBehind: false }, []]
    : [{ ...state, isBehind: true }, [READ_LIST]];
}

/**
 * Changes of one kind are gathered into one message, so that its span may begin before what another kind has told
 * already. Only a span that begins later leaves a gap.
 */
function reaches(previous: number, known: number | null): boolean {
  return known !== null && previous <= known;
}
