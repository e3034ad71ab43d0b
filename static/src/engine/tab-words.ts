// The words between the tabs of one account: one tab leads and uploads, the others mirror it.
import type { EngineReport, EngineRequest } from "./port.ts";

export type PageRequest = Exclude<EngineRequest, { type: "hello" }>;
/** What a page sees is said anew to each leader; every other request is numbered and done once. */
export type ViewRequest = Extract<PageRequest, { type: "rows" | "watch" }>;
export type Deed = Exclude<PageRequest, ViewRequest>;
export type Add = Omit<Extract<PageRequest, { type: "add" }>, "type">;
export type NumberedDeed = { readonly number: number; readonly deed: Deed };

/** On the line of all tabs. */
export type Call =
  | { readonly type: "lead" }
  /** `nextNumber`: deeds before it were taken by some leader. */
  | { readonly type: "join"; readonly viewerId: string; readonly nextNumber: number };

/** On the line between the leader and one viewer. */
export type ToViewer =
  | { readonly type: "joined" }
  | { readonly type: "taken"; readonly number: number }
  | { readonly type: "reports"; readonly reports: readonly EngineReport[] }
  /** Files that this viewer holds as well, so that they outlive the tab in which they were chosen. */
  | { readonly type: "hold"; readonly add: Add }
  | { readonly type: "let_go"; readonly galleryId: string; readonly fileIds: readonly string[] };
export type FromViewer =
  | { readonly type: "view"; readonly request: ViewRequest }
  | { readonly type: "attach"; readonly add: Add }
  | ({ readonly type: "deed" } & NumberedDeed);

export function isView(request: PageRequest): request is ViewRequest {
  return request.type === "rows" || request.type === "watch";
}

export function callsName(accountId: string): string {
  return `safelight-uploads:${accountId}`;
}

export function lineName(accountId: string, viewerId: string): string {
  return `${callsName(accountId)}:${viewerId}`;
}
