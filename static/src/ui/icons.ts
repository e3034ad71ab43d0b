// One set of icons: 24 units square, strokes of 1.5, drawn here. Each stands beside a text or inside a named control.

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  add: "M12 5v14M5 12h14",
  arrowLeft: "M15 5l-7 7 7 7",
  arrowRight: "M9 5l7 7-7 7",
  arrowUp: "M6 15l6-6 6 6",
  check: "M5 12.5l4.5 4.5L19 7",
  clock: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  close: "M6 6l12 12M18 6L6 18",
  confirming: "M12 3a9 9 0 0 1 0 18",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  info: "M12 11v5M12 7.8v.2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  pause: "M9 6v12M15 6v12",
  photo: "M4 5h16v14H4zM4 16l5-5 4 4 2-2 5 5M15.5 9.5h.01",
  play: "M8 5l11 7-11 7z",
  remove: "M6 6l12 12M18 6L6 18",
  retry: "M19 12a7 7 0 1 1-2-5M19 3v5h-5",
  zoom: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.3 15.3L20 20M8 10.5h5M10.5 8v5",
  trash: "M5 7h14M10 11v6M14 11v6M7 7l1 13h8l1-13M9 7V4h6v3",
  warning: "M12 4L2.8 20h18.4zM12 10v4M12 17v.2",
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.dataset["icon"] = name;
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  if (name === "confirming") {
    path.setAttribute("d", "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18");
    path.setAttribute("stroke-dasharray", "1 4.65");
  }
  svg.append(path);
  return svg;
}

/** A ring that fills with progress; `turnRing` moves it. */
export function ring(): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "ring");
  svg.setAttribute("aria-hidden", "true");
  for (let index = 0; index < 2; index += 1) {
    const circle = document.createElementNS(SVG, "circle");
    circle.setAttribute("cx", "10");
    circle.setAttribute("cy", "10");
    circle.setAttribute("r", "8");
    circle.setAttribute("pathLength", "100");
    svg.append(circle);
  }
  return svg;
}

export function turnRing(target: SVGSVGElement, share: number): void {
  const arc = target.lastElementChild;
  if (arc instanceof SVGElement) {
    arc.style.strokeDashoffset = String(100 - Math.round(share * 100));
  }
}
