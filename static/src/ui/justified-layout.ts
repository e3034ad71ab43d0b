// Pure: aspect ratios -> rows that fill the width exactly. Whole pixels, so that no seam shows between tiles.

export type Wall = Readonly<{
  lefts: Int32Array;
  tops: Int32Array;
  widths: Int32Array;
  heights: Int32Array;
  rowOf: Int32Array;
  rowTops: Int32Array;
  rowFirsts: Int32Array;
  rowCount: number;
  height: number;
}>;

export type WallMeasure = Readonly<{ width: number; rowHeight: number; gap: number }>;

// A panorama would press its row to a thread and a screenshot would tower over it: those are shown cropped.
const WIDEST_RATIO = 4;
const TALLEST_RATIO = 0.5;
// The last row is stretched to the full width only when that makes it little taller than the others.
const STRETCH_OF_LAST_ROW = 1.25;

type Row = Readonly<{ first: number; end: number; ratioSum: number }>;

export function justify(ratios: ArrayLike<number>, measure: WallMeasure): Wall {
  const count = ratios.length;
  const wall = {
    lefts: new Int32Array(count),
    tops: new Int32Array(count),
    widths: new Int32Array(count),
    heights: new Int32Array(count),
    rowOf: new Int32Array(count),
  };
  const rowTops: number[] = [];
  const rowFirsts: number[] = [];
  let top = 0;
  for (const row of rowsOf(ratios, measure)) {
    const height = heightOf(row, measure, row.end === count);
    placeRow(wall, ratios, row, { top, height, index: rowTops.length, measure });
    rowTops.push(top);
    rowFirsts.push(row.first);
    top += Math.round(height) + measure.gap;
  }
  return {
    ...wall,
    rowTops: Int32Array.from(rowTops),
    rowFirsts: Int32Array.from(rowFirsts),
    rowCount: rowTops.length,
    height: Math.max(0, top - measure.gap),
  };
}

export function shownRatio(ratio: number): number {
  if (!(ratio > 0)) {
    return 1;
  }
  return Math.min(WIDEST_RATIO, Math.max(TALLEST_RATIO, ratio));
}

function* rowsOf(ratios: ArrayLike<number>, measure: WallMeasure): Generator<Row> {
  for (let first = 0; first < ratios.length; ) {
    const row = rowFrom(ratios, first, measure);
    yield row;
    first = row.end;
  }
}

/** Photos join a row until it is low enough; the last one stays out when that comes nearer to the wished height. */
function rowFrom(ratios: ArrayLike<number>, first: number, measure: WallMeasure): Row {
  let row: Row = { first, end: first + 1, ratioSum: shownRatio(ratios[first] ?? 1) };
  while (row.end < ratios.length && fullHeight(row, measure) > measure.rowHeight) {
    const longer = { first, end: row.end + 1, ratioSum: row.ratioSum + shownRatio(ratios[row.end] ?? 1) };
    const tooHigh = fullHeight(row, measure) - measure.rowHeight;
    const tooLow = measure.rowHeight - fullHeight(longer, measure);
    if (tooHigh < tooLow) {
      break;
    }
    row = longer;
  }
  return row;
}

function fullHeight(row: Row, { width, gap }: WallMeasure): number {
  return (width - gap * (row.end - row.first - 1)) / row.ratioSum;
}

function heightOf(row: Row, measure: WallMeasure, isLast: boolean): number {
  const full = fullHeight(row, measure);
  if (isLast && full > measure.rowHeight * STRETCH_OF_LAST_ROW) {
    return measure.rowHeight;
  }
  return Math.max(1, full);
}

type Placing = Readonly<{ top: number; height: number; index: number; measure: WallMeasure }>;
type Places = Pick<Wall, "lefts" | "tops" | "widths" | "heights" | "rowOf">;

function placeRow(places: Places, ratios: ArrayLike<number>, row: Row, placing: Placing): void {
  // Edges are rounded, not widths: rounding errors never add up, and the last edge is the width itself.
  let edge = 0;
  for (let index = row.first; index < row.end; index += 1) {
    const start = edge + (index - row.first) * placing.measure.gap;
    const next = edge + shownRatio(ratios[index] ?? 1) * placing.height;
    const left = Math.round(start);
    places.lefts[index] = left;
    places.widths[index] = Math.max(1, Math.round(next + (index - row.first) * placing.measure.gap) - left);
    places.tops[index] = placing.top;
    places.heights[index] = Math.round(placing.height);
    places.rowOf[index] = placing.index;
    edge = next;
  }
}
