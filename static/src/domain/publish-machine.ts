// Pure: a gallery that waits for its Publish button. docs/engine.md shows it as a diagram, made from this table.
import type { Step } from "../kernel/machine.ts";
import type { Outcome } from "./gallery-machine.ts";
import type { PublicationRow, PublicationState } from "./wire.ts";

/** A file that is not over: `uploadId` once the server has written it down. */
export type OpenFile = { readonly fileId: string; readonly name: string; readonly uploadId: string | null };

/** What is asked of the server. Without ids: everything staged, and everything that has not ended. */
export type Order = { readonly key: string; readonly uploadIds: readonly string[] | null };

/** Where a publication has come to; `isSeen` once it was on the screen for as long as it should be. */
type Stage =
  /** Until each of these files has a row at the server, or has ended: only rows can be named. */
  | { readonly name: "gathering"; readonly fileIds: readonly string[] }
  | { readonly name: "asking"; readonly order: Order }
  | { readonly name: "retrying"; readonly id: string; readonly publication: PublicationRow }
  | { readonly name: "following"; readonly id: string; readonly publication: PublicationRow | null };

export type PublishState =
  | { readonly name: "form" }
  /** Files are on their way, and a person says what becomes of them. */
  | { readonly name: "choosing"; readonly open: readonly OpenFile[] }
  | { readonly name: "publishing"; readonly stage: Stage; readonly isSeen: boolean }
  | { readonly name: "complete"; readonly publication: PublicationRow };

export type PublishEvent =
  | { readonly type: "publish"; readonly open: readonly OpenFile[]; readonly key: string }
  | { readonly type: "open"; readonly open: readonly OpenFile[]; readonly key: string }
  /** Publish all of them when they are there. */
  | { readonly type: "await_them" }
  /** Publish what is there; the others stay in the form. */
  | { readonly type: "leave_them" }
  | { readonly type: "gathered"; readonly uploadIds: readonly string[]; readonly key: string }
  | { readonly type: "told"; readonly publication: PublicationRow }
  | { readonly type: "refused" }
  | { readonly type: "seen" }
  | { readonly type: "retry" }
  | { readonly type: "back" }
  | { readonly type: "files_added" };

export type PublishCommand =
  | { readonly type: "gather"; readonly fileIds: readonly string[] }
  | { readonly type: "ask"; readonly order: Order }
  | { readonly type: "follow"; readonly id: string }
  | { readonly type: "retry"; readonly id: string }
  | { readonly type: "show_for_a_while" };

type PublishStep = Step<PublishState, PublishCommand>;

export const PUBLISH_FORM: PublishState = { name: "form" };

const SHOW: PublishCommand = { type: "show_for_a_while" };
const OUTCOMES: Readonly<Record<Exclude<PublicationState, "in_progress">, Outcome>> = {
  all_succeeded: "all",
  some_failed: "some",
  all_failed: "none",
};

export function publishMachine(state: PublishState, event: PublishEvent): PublishStep {
  switch (state.name) {
    case "form":
      return event.type === "publish" ? begin(event) : [state, []];
    case "choosing":
      return onChoosing(state, event);
    case "publishing":
      return onPublishing(state, event);
    case "complete":
      return onComplete(state, event);
  }
}

export function outcomeOfPublication({ state }: PublicationRow): Outcome | null {
  return state === "in_progress" ? null : OUTCOMES[state];
}

function begin({ open, key }: { open: readonly OpenFile[]; key: string }): PublishStep {
  return open.length === 0 ? ask({ key, uploadIds: null }, false, [SHOW]) : [{ name: "choosing", open }, []];
}

function onChoosing(state: Extract<PublishState, { name: "choosing" }>, event: PublishEvent): PublishStep {
  switch (event.type) {
    case "open":
      return begin(event);
    case "await_them":
      return gather(state.open.map(({ fileId }) => fileId));
    case "leave_them":
      return gather([]);
    case "back":
      return [PUBLISH_FORM, []];
    default:
      return [state, []];
  }
}

function gather(fileIds: readonly string[]): PublishStep {
  const stage: Stage = { name: "gathering", fileIds };
  return [{ name: "publishing", stage, isSeen: false }, [SHOW, { type: "gather", fileIds }]];
}

function ask(order: Order, isSeen: boolean, commands: readonly PublishCommand[]): PublishStep {
  const stage: Stage = { name: "asking", order };
  return [{ name: "publishing", stage, isSeen }, [...commands, { type: "ask", order }]];
}

type Publishing = Extract<PublishState, { name: "publishing" }>;

function onPublishing(state: Publishing, event: PublishEvent): PublishStep {
  const { stage, isSeen } = state;
  switch (event.type) {
    case "gathered":
      if (stage.name !== "gathering") return [state, []];
      if (event.uploadIds.length === 0) return [PUBLISH_FORM, []];
      return ask({ key: event.key, uploadIds: event.uploadIds }, isSeen, []);
    case "told":
      return takeNews(state, event.publication);
    case "refused":
      return [refused(state), []];
    case "seen":
      return [settled({ ...state, isSeen: true }), []];
    default:
      return [state, []];
  }
}

/** What was published before a refused retry stays told. */
function refused(state: Publishing): PublishState {
  if (state.stage.name === "gathering") return state;
  return state.stage.name === "retrying"
    ? { name: "complete", publication: state.stage.publication }
    : PUBLISH_FORM;
}

function takeNews(state: Publishing, publication: PublicationRow): PublishStep {
  const { stage } = state;
  if (stage.name === "gathering") return [state, []];
  const isOurs = stage.name === "asking" || stage.id === publication.id;
  const isOld = stage.name === "following" && publication.version < (stage.publication?.version ?? 0);
  if (!isOurs || isOld) return [state, []];
  const next: Publishing = { ...state, stage: { name: "following", id: publication.id, publication } };
  const isFollowed = stage.name === "following" || publication.state !== "in_progress";
  return [settled(next), isFollowed ? [] : [{ type: "follow", id: publication.id }]];
}

/** Its end is shown once it could be seen going on. */
function settled(state: Publishing): PublishState {
  const publication = state.stage.name === "following" ? state.stage.publication : null;
  const hasEnded = publication !== null && publication.state !== "in_progress";
  return hasEnded && state.isSeen ? { name: "complete", publication } : state;
}

function onComplete(state: Extract<PublishState, { name: "complete" }>, event: PublishEvent): PublishStep {
  const { id } = state.publication;
  switch (event.type) {
    case "publish":
      return begin(event);
    case "retry":
      return [
        {
          name: "publishing",
          stage: { name: "retrying", id, publication: state.publication },
          isSeen: false,
        },
        [SHOW, { type: "retry", id }],
      ];
    case "back":
    case "files_added":
      return [PUBLISH_FORM, []];
    default:
      return [state, []];
  }
}

/** What a page keeps over a reload: enough to go on, no names. */
export type PublishMemory =
  | { readonly name: "gathering"; readonly fileIds: readonly string[] }
  | { readonly name: "asking"; readonly order: Order }
  | { readonly name: "following"; readonly id: string };

export function memoryOf(state: PublishState): PublishMemory | null {
  if (state.name === "complete") return { name: "following", id: state.publication.id };
  if (state.name !== "publishing") return null;
  const { stage } = state;
  return "id" in stage ? { name: "following", id: stage.id } : stage;
}

export function resumePublishing(memory: PublishMemory): PublishStep {
  switch (memory.name) {
    case "gathering":
      return gather(memory.fileIds);
    case "asking":
      return ask(memory.order, false, [SHOW]);
    case "following": {
      const stage: Stage = { name: "following", id: memory.id, publication: null };
      // What was going on before the reload has been seen.
      return [{ name: "publishing", stage, isSeen: true }, [{ type: "follow", id: memory.id }]];
    }
  }
}
