// An editor's notes (XMP) that are kept beside a photo.

import type { SidecarLink } from "../ui/lightbox.ts";
import type { WallPhoto } from "../ui/wall-photo.ts";
import { fieldOf, getJson } from "./site-api.ts";

/** None where they can't be had right now: the next look asks again. */
export async function sidecarsOf({ uploadId }: WallPhoto): Promise<readonly SidecarLink[]> {
  if (uploadId === null) {
    return [];
  }
  const answer = await getJson(`/api/uploads/${encodeURIComponent(uploadId)}/sidecars`);
  const listed = answer.ok ? fieldOf(answer.value, "sidecars") : null;
  return Array.isArray(listed) ? listed.flatMap(linkOf) : [];
}

function linkOf(sidecar: unknown): readonly SidecarLink[] {
  const [name, url] = [fieldOf(sidecar, "name"), fieldOf(sidecar, "url")];
  return typeof name === "string" && typeof url === "string" ? [{ name, url }] : [];
}
