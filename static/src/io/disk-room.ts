import type { Room } from "../domain/keep-plan.ts";

/** What this browser gives this site of the disk; null where it does not say. */
export async function browserRoom(): Promise<Room | null> {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined ? null : { quotaBytes: quota, usageBytes: usage ?? 0 };
  } catch {
    return null;
  }
}
