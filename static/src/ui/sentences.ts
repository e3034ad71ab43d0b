// Pure: machine codes -> what a person reads. Says what happened, whether photos are safe, and what to do.

import { filesOf, formatCount, photosOf } from "./quantities.ts";

type Sentence = Readonly<{
  /** About one file, which is named beside it. */
  one: string;
  /** About a group of them. */
  many: (count: number) => string;
}>;

const SAFE_HERE = "Nothing is lost";

const SENTENCES: Readonly<Record<string, Sentence>> = {
  not_an_image: {
    one: "This is not a photo, so it was left out.",
    many: (count) =>
      `${filesOf(count)} ${count === 1 ? "is not a photo and was" : "are not photos and were"} left out.`,
  },
  unsupported_format: {
    one: "This kind of photo can't be shown here. Save it as JPEG or TIFF, then add it.",
    many: (count) =>
      `${photosOf(count)} of a kind that can't be shown here. Save them as JPEG or TIFF, then add them.`,
  },
  empty_file: {
    one: "This file is empty. Copy it from the camera again, then add it.",
    many: (count) =>
      `${filesOf(count)} ${count === 1 ? "is" : "are"} empty and ${count === 1 ? "was" : "were"} left out.`,
  },
  file_too_large: {
    one: "This file is larger than this gallery takes, so it was left out.",
    many: (count) => `${filesOf(count)} larger than this gallery takes were left out.`,
  },
  too_many_pixels: {
    one: "This photo has more pixels than this gallery takes. Save a smaller copy, then add it.",
    many: (count) =>
      `${photosOf(count)} with more pixels than this gallery takes. Save smaller copies, then add them.`,
  },
  too_few_pixels: {
    one: "This photo has fewer pixels than this gallery takes. Look for a larger copy of it.",
    many: (count) =>
      `${photosOf(count)} with fewer pixels than this gallery takes. Look for larger copies of them.`,
  },
  type_not_taken: {
    one: "This gallery does not take this kind of photo, so it was left out.",
    many: (count) =>
      `${photosOf(count)} of a kind that this gallery does not take ${count === 1 ? "was" : "were"} left out.`,
  },
  too_long_side: {
    one: "One side of this photo is longer than 30,000 pixels. Save a smaller copy, then add it.",
    many: (count) =>
      `${photosOf(count)} with a side longer than 30,000 pixels. Save smaller copies, then add them.`,
  },
  damaged_photo: {
    one: "This photo is damaged. Open it on your disk to check, then add it again.",
    many: (count) => `${photosOf(count)} are damaged. Open them on your disk to check, then add them again.`,
  },
  infected: {
    one: "A scan found something harmful in this file. It is kept apart and shown to nobody. Check your computer before you add it again.",
    many: (count) =>
      `A scan found something harmful in ${filesOf(count)}. They are kept apart and shown to nobody. Check your computer before you add them again.`,
  },
  scanner_unavailable: {
    one: "This photo has arrived, but could not be checked for harmful content. Retry in a while.",
    many: (count) =>
      `${photosOf(count)} arrived, but could not be checked for harmful content. Retry in a while.`,
  },
  decode_limit: {
    one: "This photo asks for more memory or time than a photo may. Save a new copy, then add it.",
    many: (count) =>
      `${photosOf(count)} ask for more memory or time than a photo may. Save new copies, then add them.`,
  },
  duplicate: {
    one: "This photo is in the gallery already.",
    many: (count) => `${photosOf(count)} ${count === 1 ? "was" : "were"} in the gallery already.`,
  },
  name_too_long: {
    one: "The name of this file is too long. Shorten it, then add it again.",
    many: (count) =>
      `${filesOf(count)} with a name that is too long. Shorten the names, then add them again.`,
  },
  gallery_full: {
    one: "This gallery is full, so it was left out.",
    many: (count) => `This gallery is full. ${formatCount(count)} ${count === 1 ? "was" : "were"} left out.`,
  },
  quota_exceeded: {
    one: "There is no room left for this photo. Delete some, then retry.",
    many: (count) => `There is no room left for ${photosOf(count)}. Delete some, then retry.`,
  },
  too_many_open_uploads: {
    one: "Too many photos are on their way at once. This one goes on when others are done.",
    many: (count) =>
      `Too many photos are on their way at once. ${formatCount(count)} go on when others are done.`,
  },
  too_many_publications: {
    one: "Too many photos of this gallery wait to be published. Wait for them or cancel them, then publish.",
    many: () =>
      "Too many photos of this gallery wait to be published. Wait for them or cancel them, then publish.",
  },
  gallery_deleted: {
    one: "The gallery was deleted before this photo was sent. It can be brought back for 24 hours; or add the photo to another one.",
    many: (count) =>
      `The gallery was deleted before ${photosOf(count)} were sent. It can be brought back for 24 hours; or add them to another one.`,
  },
  gallery_gone: {
    one: "The gallery is not there any more, or not yours to add to. This photo was never sent; add it to another one.",
    many: (count) =>
      `The gallery is not there any more, or not yours to add to. ${photosOf(count)} were never sent; add them to another one.`,
  },
  not_found: {
    one: "This upload is no longer known here. Add the file again.",
    many: (count) => `${filesOf(count)} are no longer known here. Add them again.`,
  },
  forbidden: {
    one: "You can't add photos to this gallery.",
    many: (count) =>
      `You can't add photos to this gallery; ${photosOf(count)} ${count === 1 ? "was" : "were"} left out.`,
  },
  sign_in_required: {
    one: `Please sign in again. ${SAFE_HERE}; uploading waits.`,
    many: () => `Please sign in again. ${SAFE_HERE}; uploading waits.`,
  },
  csrf_failed: {
    one: "This page is too old. Load it again, then retry.",
    many: (count) => `This page is too old. Load it again, then retry ${photosOf(count)}.`,
  },
  offline: {
    one: "No connection. Uploading goes on by itself.",
    many: (count) => `No connection. ${photosOf(count)} wait; uploading goes on by itself.`,
  },
  rate_limited: {
    one: "Too much at once. It goes on by itself in a moment.",
    many: (count) => `Too much at once. ${photosOf(count)} go on in a moment.`,
  },
  batch_too_large: {
    one: "Too many files were sent at once. Retry.",
    many: (count) => `Too many files were sent at once. Retry ${formatCount(count)}.`,
  },
  bad_request: {
    one: "Something about this file was not understood. Add it again.",
    many: (count) => `Something about ${filesOf(count)} was not understood. Add them again.`,
  },
  storage_unavailable: {
    one: "The storage doesn't answer right now. Retry in a while.",
    many: (count) => `The storage doesn't answer right now. ${photosOf(count)} wait for a retry.`,
  },
  server_error: {
    one: "Something went wrong on our side. Your file is untouched; retry in a while.",
    many: (count) =>
      `Something went wrong on our side with ${photosOf(count)}. Your files are untouched; retry in a while.`,
  },
  object_missing: {
    one: "This photo did not arrive. Retry.",
    many: (count) => `${photosOf(count)} did not arrive. Retry.`,
  },
  parts_missing: {
    one: "A piece of this photo did not arrive. Retry sends only that.",
    many: (count) => `Pieces of ${photosOf(count)} did not arrive. Retry sends only those.`,
  },
  size_mismatch: {
    one: "This photo arrived damaged three times. The file on your disk may be changing or broken; open it there, then add it again.",
    many: (count) =>
      `${photosOf(count)} arrived damaged three times. Open them on your disk, then add them again.`,
  },
  checksum_mismatch: {
    one: "This photo arrived damaged three times. The file on your disk may be broken; open it there, then add it again.",
    many: (count) =>
      `${photosOf(count)} arrived damaged three times. Open them on your disk, then add them again.`,
  },
  checksum_conflict: {
    one: "This file changed while it was on its way. Add it again.",
    many: (count) => `${filesOf(count)} changed while on their way. Add them again.`,
  },
  client_id_conflict: {
    one: "This file changed since it was added. Add it again.",
    many: (count) => `${filesOf(count)} changed since they were added. Add them again.`,
  },
  file_changed: {
    one: "This file changed on your disk while it was read. Add it again.",
    many: (count) => `${filesOf(count)} changed on your disk while they were read. Add them again.`,
  },
  file_unreadable: {
    one: "This file can't be read any more. Choose it again.",
    many: (count) => `${filesOf(count)} can't be read any more. Choose them again.`,
  },
  file_needed: {
    one: "Choose this file again to go on.",
    many: (count) => `Choose ${filesOf(count)} again to go on.`,
  },
  expired: {
    one: "This upload waited too long. Choose the file again.",
    many: (count) => `${filesOf(count)} waited too long. Choose them again.`,
  },
  cancelled: {
    one: "Cancelled. Choose the file again to add it.",
    many: (count) => `${filesOf(count)} cancelled. Choose them again to add them.`,
  },
  too_late: {
    one: "This photo was already safe, so it stays.",
    many: (count) => `${photosOf(count)} were already safe and stay.`,
  },
  lane_unsupported: {
    one: "This storage can't take the file in that way. Retry.",
    many: (count) => `This storage can't take ${filesOf(count)} in that way. Retry.`,
  },
  awaiting_approval: {
    one: "Safe. It is shown once the owner has approved it.",
    many: (count) => `${photosOf(count)} safe. They are shown once the owner has approved them.`,
  },
  idempotency_conflict: {
    one: "This was started twice with different photos. Load the page again.",
    many: () => "This was started twice with different photos. Load the page again.",
  },
  archive_changed: {
    one: "The gallery changed since the download began. Start it again.",
    many: () => "The gallery changed since the download began. Start it again.",
  },
  begun_before: {
    one: "This file was begun on another device, or before. Where nothing sends it now, choose it again here to go on.",
    many: (count) =>
      `${filesOf(count)} were begun on another device, or before. Where nothing sends them now, choose them again here to go on.`,
  },
  restore_expired: {
    one: "This photo was deleted more than 24 hours ago and can't be brought back. Add its file again.",
    many: (count) =>
      `${photosOf(count)} were deleted more than 24 hours ago and can't be brought back. Add their files again.`,
  },
  unsupported_type: {
    one: "This kind of file can't be added. Save it as JPEG, then add it.",
    many: (count) => `${filesOf(count)} of a kind that can't be added. Save them as JPEG, then add them.`,
  },
  wrong_state: {
    one: "This was done already, or can't be done now. Load the page again.",
    many: (count) => `${filesOf(count)} can't be changed that way now. Load the page again.`,
  },
  worker_failed: {
    one: "Uploading stopped in this tab. Load the page again; what has arrived stays.",
    many: () => "Uploading stopped in this tab. Load the page again; what has arrived stays.",
  },
};

// Words of the wire that mean the same to a person: what was sent has to be sent again, or looked at again.
const SAME_AS: Readonly<Record<string, string>> = {
  already_stored: "checksum_conflict",
  bad_part_number: "bad_request",
  bad_range: "bad_request",
  body_too_slow: "object_missing",
  database_busy: "server_error",
  decoder_died: "server_error",
  gave_up: "server_error",
  internal_error: "server_error",
  length_required: "bad_request",
  malformed_answer: "server_error",
  method_not_allowed: "bad_request",
  object_changed: "checksum_conflict",
  range_gap: "parts_missing",
  session_gone: "parts_missing",
  session_taken: "parts_missing",
  sign_in: "sign_in_required",
  too_many_requests: "rate_limited",
  url_expired: "object_missing",
  url_refused: "bad_request",
};

const UNKNOWN: Sentence = {
  one: "This photo could not be added. Your file is untouched; retry, or choose it again.",
  many: (count) =>
    `${photosOf(count)} could not be added. Your files are untouched; retry, or choose them again.`,
};

/** Every code that has words of its own. */
export const KNOWN_CODES: readonly string[] = Object.keys(SENTENCES);

export function hasSentence(code: string): boolean {
  return find(code) !== undefined;
}

export function sentenceOf(code: string): string {
  return (find(code) ?? UNKNOWN).one;
}

export function sentenceAbout(code: string, count: number): string {
  const sentence = find(code) ?? UNKNOWN;
  return count === 1 ? sentence.one : sentence.many(count);
}

function find(code: string): Sentence | undefined {
  const known = SAME_AS[code] ?? code;
  return Object.hasOwn(SENTENCES, known) ? SENTENCES[known] : undefined;
}
