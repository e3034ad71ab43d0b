// Signing out ends this account's uploads and forgets them here, before the form is sent.

import { askInPlace } from "../ui/notice.ts";
import { photosOf } from "../ui/quantities.ts";

type Uploads = {
  readonly signOut: () => Promise<void>;
  readonly subscribe: (listener: () => void) => unknown;
};

/** With photos on their way a person is asked here, once: afterwards no upload is left for the page to ask about. */
export function listenForSignOut(uploads: Uploads, unsentCount: () => number): void {
  // Photos go on being sent while somebody reads the question.
  let askAgain = (_question: string): void => {};
  uploads.subscribe(() => askAgain(questionAbout(unsentCount())));
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.matches("[action$='/accounts/logout/']")) return;
    event.preventDefault();
    const leave = (): void => void uploads.signOut().then(() => form.submit());
    const count = unsentCount();
    if (count === 0) leave();
    else askAgain = askInPlace(questionAbout(count), "Sign out anyway", leave);
  });
}

function questionAbout(count: number): string {
  if (count === 0) {
    return "All photos are sent now: nothing is lost when you sign out.";
  }
  return count === 1
    ? "1 photo is not sent yet, and is forgotten here when you sign out."
    : `${photosOf(count)} are not sent yet, and are forgotten here when you sign out.`;
}
