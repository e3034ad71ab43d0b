// Runs in the page of benchmarks/selecting.py: Uppy's own page, as it comes.

import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";
import Uppy from "@uppy/core";
import Dashboard from "@uppy/dashboard";

const place = document.createElement("div");
document.body.replaceChildren(place);
window.uppy = new Uppy({ autoProceed: false });
window.uppy.use(Dashboard, { inline: true, target: place, fileManagerSelectionType: "both", height: 700 });
