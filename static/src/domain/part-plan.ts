// Pure: bytes -> parts. Twin of uploads/part_plan.py; tests/vectors/part_plan.json keeps both honest.
import { MIB } from "../kernel/units.ts";
import { MAX_PART_COUNT, PREFERRED_PART_BYTES } from "./limits.ts";

export type PartPlan = {
  readonly fileBytes: number;
  readonly partBytes: number;
  readonly partCount: number;
};

export type ByteRange = { readonly offset: number; readonly bytes: number };

export function planParts(fileBytes: number): PartPlan {
  const wholeMib = Math.ceil(Math.ceil(fileBytes / MAX_PART_COUNT) / MIB) * MIB;
  return planWithPartBytes(fileBytes, Math.max(PREFERRED_PART_BYTES, wholeMib));
}

/** The plan the server wrote down for this upload: its part size is never computed again. */
export function planWithPartBytes(fileBytes: number, partBytes: number): PartPlan {
  return { fileBytes, partBytes, partCount: Math.ceil(fileBytes / partBytes) };
}

/** `partNumber` counts from 1. */
export function rangeOfPart(plan: PartPlan, partNumber: number): ByteRange {
  const offset = (partNumber - 1) * plan.partBytes;
  return { offset, bytes: Math.min(plan.partBytes, plan.fileBytes - offset) };
}

export function bytesOfParts(plan: PartPlan, partNumbers: Iterable<number>): number {
  let bytes = 0;
  for (const partNumber of partNumbers) bytes += rangeOfPart(plan, partNumber).bytes;
  return bytes;
}
