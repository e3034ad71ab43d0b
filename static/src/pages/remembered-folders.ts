// Folders that were dropped in an earlier visit: a browser lets them be read again once a person says so.

import { openJournal } from "../io/journal.ts";

/**
 * Asks for each folder that is remembered. Call it inside a click: browsers ask nobody otherwise. What is refused
 * stays waiting, and the engine looks for itself which folders it may read.
 */
export async function askForRememberedFolders(accountId: string): Promise<void> {
  const journal = await openJournal(accountId, { onClosed: () => {} });
  const roots = (await journal?.roots()) ?? [];
  journal?.close();
  for (const { handle } of roots) {
    try {
      await handle.requestPermission({ mode: "read" });
    } catch {
      // The folder is gone, or the click is too long ago: it is asked for with the next one.
    }
  }
}
