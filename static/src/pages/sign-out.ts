// Signing out ends this account's uploads and forgets them here, before the form is sent.

import { photosOf } from "../ui/quantities.ts";

type Uploads = { readonly signOut: () => Promise<void> };

/** With photos on their way a person is asked here, once: afterwards no upload is left for the page to ask about. */
export function listenForSignOut(uploads: Uploads, unsentCount: () => number): void {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.matches("[action$='/accounts/logout/']")) return;
    event.preventDefault();
    if (!isMeant(unsentCount())) return;
    void uploads.signOut().then(() => form.submit());
  });
}

function isMeant(unsentCount: number): boolean {
  if (unsentCount === 0) return true;
  const are = unsentCount === 1 ? "is" : "are";
  return window.confirm(`${photosOf(unsentCount)} ${are} not sent yet, and will not be. Sign out?`);
}
