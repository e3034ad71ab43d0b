// The one entry of every page. The engine lives in this module's scope: Turbo changes pages, uploads go on.

import "./photo-history.ts";
import "../../css/app.css";
import { config, visit } from "@hotwired/turbo";
import type { GalleryTally } from "../engine/port.ts";
import { wipeJournal } from "../io/journal.ts";
import { announce } from "../ui/announcer.ts";
import { guardDrops } from "../ui/drop-guard.ts";
import { openFolderChooser } from "../ui/dropzone.ts";
import { hideNotice, showNotice } from "../ui/notice.ts";
import { showInTitle } from "../ui/page-title.ts";
import { browserPictures, Previews } from "../ui/previews.ts";
import { fileNameOf, receiptCsv } from "../ui/receipt.ts";
import { saveFile } from "../ui/save-file.ts";
import { sentenceOf } from "../ui/sentences.ts";
import { applyStoredTheme, listenForThemeSwitch } from "../ui/theme.ts";
import { UploadDock } from "../ui/upload-dock.ts";
import { isSending, unkeptCount, unsentCount } from "../ui/upload-words.ts";
import { browserWakePort, WakeLock } from "../ui/wake-lock.ts";
import { EngineWorker } from "./engine-worker.ts";
import { GalleriesPage } from "./galleries-page.ts";
import { GalleryPage } from "./gallery-page.ts";
import { askForRememberedFolders } from "./remembered-folders.ts";
import { listenForSignOut } from "./sign-out.ts";
import { sendJson } from "./site-api.ts";

// Turbo's own bar brings a style sheet of its own, which the content policy refuses; the page is marked busy instead.
config.drive.progressBarDelay = 2 ** 31 - 1;

const engine = new EngineWorker({
  onDeath: () => announce(sentenceOf("worker_failed")),
  onSignedOutElsewhere: () => dock?.showSignedOut(),
  forget: wipeJournal,
});
const previews = new Previews(browserPictures(dockRoot().dataset["gridRecipe"] ?? ""));
const wakePort = browserWakePort();
const wakeLock = wakePort === null ? null : new WakeLock(wakePort);
let total: GalleryTally | null = null;
let isMirror = false;
let dock: UploadDock | null = null;
let shown: { main: HTMLElement; page: GalleryPage | GalleriesPage | null } | null = null;

function showPage(): void {
  const main = document.querySelector("main");
  if (main === null || main === shown?.main) {
    return;
  }
  leavePage();
  engine.pageShown();
  const actions = { onContinue: goOn, onChooseFolder: chooseFolder, onBringBack: bringBack };
  dock ??= new UploadDock(dockRoot(), engine, actions, previews);
  shown = { main, page: pageOf(main) };
  dock.pageShown(main.dataset["galleryId"] ?? null);
  showProgressInTitle();
  if (total?.waitingFor === "sign_in" && document.body.dataset["user"] !== undefined) {
    engine.send({ type: "retry_session" });
  }
}

function pageOf(main: HTMLElement): GalleryPage | GalleriesPage | null {
  switch (main.dataset["page"]) {
    case "gallery":
      return new GalleryPage(main, engine, previews);
    case "galleries":
      return new GalleriesPage(main);
    default:
      return null;
  }
}

function leavePage(): void {
  hideNotice();
  shown?.page?.end();
  shown = null;
}

function dockRoot(): HTMLElement {
  const root = document.getElementById("upload-dock");
  if (root === null) {
    throw new Error("the page has no dock");
  }
  return root;
}

async function goOn(): Promise<void> {
  const accountId = document.body.dataset["user"];
  if (accountId !== undefined) {
    await askForRememberedFolders(accountId);
    engine.send({ type: "roots_granted" });
  }
}

function chooseFolder(galleryId: string): void {
  if (!openFolderChooser(galleryId)) {
    visit(`/galleries/${encodeURIComponent(galleryId)}/`);
  }
}

/** Its files that were never sent go on with it. */
async function bringBack(galleryId: string): Promise<void> {
  const answer = await sendJson("POST", `/api/galleries/${encodeURIComponent(galleryId)}/restore`, {});
  if (answer.ok) {
    engine.send({ type: "retry", galleryId });
  } else if (answer.failure.code === "restore_expired") {
    showNotice(
      "This gallery was deleted more than 24 hours ago. Your files are untouched: add them to another.",
    );
  } else {
    showNotice(sentenceOf(answer.failure.code));
  }
}

function showProgressInTitle(): void {
  const title = document.querySelector("title");
  if (title !== null) {
    showInTitle(title, total);
  }
}

let isStorageAsked = false;

/** Once a page: the browser is asked not to make room by throwing away photos that are not sent yet. */
function keepStorage(): void {
  if (!isStorageAsked && total !== null && unsentCount(total) > 0) {
    isStorageAsked = true;
    // Only secure pages have it, and a no changes nothing.
    navigator.storage?.persist().catch(() => false);
  }
}

engine.subscribe((report) => {
  switch (report.type) {
    case "tally":
      ({ total, isMirror } = report);
      keepStorage();
      showProgressInTitle();
      // The tab that sends keeps the machine awake.
      wakeLock?.want(total !== null && isSending(total) && !isMirror);
      break;
    case "receipt":
      saveFile(fileNameOf(report.title, " receipt.csv"), "text/csv;charset=utf-8", receiptCsv(report.lines));
      break;
    case "flight_record":
      saveFile("Record of the upload.txt", "text/plain;charset=utf-8", report.text);
      break;
    default:
  }
});

window.addEventListener("beforeunload", (event) => {
  if (total !== null && unkeptCount(total) > 0 && !isMirror) {
    event.preventDefault();
  }
});

listenForSignOut(engine, () => (total === null ? 0 : unsentCount(total)));
guardDrops(() =>
  showNotice(
    document.querySelector("main[data-page='gallery']") === null
      ? "Open a gallery, then drop the photos on it."
      : sentenceOf("forbidden"),
  ),
);
applyStoredTheme();
listenForThemeSwitch();
// A menu shuts when the click went elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (event.target instanceof Node && !menu.contains(event.target)) {
      menu.removeAttribute("open");
    }
  }
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" ? document.querySelector("details.menu[open]") : null;
  menu?.removeAttribute("open");
  menu?.querySelector("summary")?.focus();
});
document.addEventListener("turbo:before-cache", leavePage);
document.addEventListener("turbo:before-render", leavePage);
document.addEventListener("turbo:load", showPage);
document.addEventListener("turbo:render", showPage);
