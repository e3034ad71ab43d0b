// What a tab keeps of its publication over a reload. It ends with the tab; the server goes on by itself.

import type { PublishMemory } from "../domain/publish-machine.ts";
import { fieldOf } from "./site-api.ts";

function keyOf(galleryId: string): string {
  return `safelight-publishing-${galleryId}`;
}

export function remember(galleryId: string, memory: PublishMemory | null): void {
  try {
    if (memory === null) {
      sessionStorage.removeItem(keyOf(galleryId));
    } else {
      sessionStorage.setItem(keyOf(galleryId), JSON.stringify(memory));
    }
  } catch {
    // Full, or forbidden: publishing works without memory.
  }
}

export function recall(galleryId: string): PublishMemory | null {
  try {
    return memoryIn(JSON.parse(sessionStorage.getItem(keyOf(galleryId)) ?? "null"));
  } catch {
    return null;
  }
}

/** An older version of this page may have written it. */
function memoryIn(value: unknown): PublishMemory | null {
  const [name, id, fileIds, order] = ["name", "id", "fileIds", "order"].map((field) => fieldOf(value, field));
  if (name === "following" && typeof id === "string") {
    return { name, id };
  }
  if (name === "gathering" && isTexts(fileIds)) {
    return { name, fileIds };
  }
  const [key, uploadIds] = [fieldOf(order, "key"), fieldOf(order, "uploadIds")];
  if (name === "asking" && typeof key === "string" && (uploadIds === null || isTexts(uploadIds))) {
    return { name, order: { key, uploadIds } };
  }
  return null;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
