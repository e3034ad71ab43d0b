// Pure: the pieces of a resumable session. They go in order, each from where the store has got to.
import { type ByteRange, type PartPlan, planWithPartBytes, rangeOfPart } from "./part-plan.ts";
import type { SignedRequest } from "./wire.ts";

export type Session = {
  readonly sessionUri: string;
  readonly chunkBytes: number;
  /** Every byte before this one is in the store. */
  readonly offset: number;
};

/** `skipBytes`: so much of the piece the store has; the request is for the rest. */
export type Chunk =
  | { readonly kind: "request"; readonly request: SignedRequest; readonly skipBytes: number }
  | { readonly kind: "stored" }
  /** What comes before it is not there yet. */
  | { readonly kind: "out_of_turn" };

export function planOfSession(fileBytes: number, session: Session): PartPlan {
  return planWithPartBytes(fileBytes, session.chunkBytes);
}

export function wholePieces(plan: PartPlan, offset: number): number[] {
  const count = offset >= plan.fileBytes ? plan.partCount : Math.floor(offset / plan.partBytes);
  return Array.from({ length: count }, (_, index) => index + 1);
}

export function chunkOf(plan: PartPlan, partNumber: number, session: Session): Chunk {
  const piece = rangeOfPart(plan, partNumber);
  const skipBytes = session.offset - piece.offset;
  if (skipBytes >= piece.bytes) return { kind: "stored" };
  if (skipBytes < 0) return { kind: "out_of_turn" };
  const headers = { "Content-Range": contentRange(piece, skipBytes, plan.fileBytes) };
  return { kind: "request", request: { method: "PUT", url: session.sessionUri, headers }, skipBytes };
}

function contentRange(piece: ByteRange, skipBytes: number, fileBytes: number): string {
  return `bytes ${piece.offset + skipBytes}-${piece.offset + piece.bytes - 1}/${fileBytes}`;
}

/** 308 means: go on. Only its Range, `bytes=0-n`, says how many bytes have been kept; without one, none. */
export function keptBytes(rangeTold: string | null): number {
  const [, last] = /^bytes=0-(\d+)$/.exec(rangeTold ?? "") ?? [];
  return last === undefined ? 0 : Number(last) + 1;
}
