// Runs in the page of benchmarks/browser_upload.py and resume.py: a bare loop and Uppy, each given the files of one
// input element.

import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import GoldenRetriever from "@uppy/golden-retriever";
import { crc32 } from "../../static/src/domain/crc32.ts";

function chosenFiles() {
  return Array.from(document.querySelector("input[type=file]").files);
}

function base64Of(crc) {
  return btoa(String.fromCharCode(crc >>> 24, (crc >>> 16) & 255, (crc >>> 8) & 255, crc & 255));
}

function put(target, bytes, onProgress) {
  return new Promise((resolve) => {
    const xhr = new XMLHttpRequest();
    xhr.open("PUT", target.url);
    for (const [name, value] of Object.entries(target.headers)) {
      xhr.setRequestHeader(name, name === "x-amz-checksum-crc32" ? base64Of(crc32(bytes)) : value);
    }
    xhr.upload.onprogress = onProgress;
    xhr.onloadend = () => resolve(xhr.status >= 200 && xhr.status < 300);
    // As in the engine: under DevTools an ArrayBuffer is also written into the events of the protocol.
    xhr.send(new Blob([bytes]));
  });
}

/** The least that sends files with checksums and progress: reads, sums, sends, so many at once. */
window.sendBare = async ({ targets, atOnce }) => {
  const files = chosenFiles();
  let next = 0;
  let storedCount = 0;
  let eventCount = 0;
  const work = async () => {
    while (next < files.length) {
      const index = next;
      next += 1;
      const bytes = new Uint8Array(await files[index].arrayBuffer());
      const isStored = await put(targets[index], bytes, () => {
        eventCount += 1;
      });
      storedCount += isStored ? 1 : 0;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { storedCount, eventCount };
};

/** As it comes, but for the keys; the benchmark has signed them all, so that signing costs it nothing. */
function newUppy({ prefix, urls, isKeeping }) {
  const uppy = new Uppy({ id: "peer", autoProceed: false });
  uppy.use(AwsS3, {
    generateObjectKey: ({ name }) => `${prefix}${name}`,
    signRequest: async ({ key }) => ({ url: urls[key] }),
  });
  if (isKeeping) uppy.use(GoldenRetriever);
  return uppy;
}

function addChosen(uppy) {
  uppy.addFiles(
    chosenFiles().map((file) => ({ name: file.name, type: file.type, data: file, source: "input" })),
  );
}

window.sendByUppy = async (job) => {
  const uppy = newUppy(job);
  let storedCount = 0;
  let firstError = null;
  uppy.on("upload-success", () => {
    storedCount += 1;
  });
  uppy.on("upload-error", (_file, error) => {
    firstError ??= String(error?.message ?? error);
  });
  addChosen(uppy);
  await uppy.upload();
  uppy.destroy();
  return { storedCount, firstError };
};

/** Returns at once: the browser will be killed. */
window.beginByUppy = (job) => {
  const uppy = newUppy({ ...job, isKeeping: true });
  addChosen(uppy);
  void uppy.upload();
};

/** After the browser was killed: presses "Resume" as soon as it is offered. How many files it has lost the bytes of. */
window.resumeByUppy = (job) =>
  new Promise((resolve) => {
    const uppy = newUppy({ ...job, isKeeping: true });
    uppy.on("restored", () => {
      const ghosts = uppy.getFiles().filter(({ isGhost }) => isGhost);
      uppy.emit("restore-confirmed");
      resolve(ghosts.length);
    });
  });
