// Pure: which tiles of a wall, or which rows of a list, a viewport shows.

import type { Wall } from "./justified-layout.ts";

export type Span = Readonly<{ first: number; end: number }>;

/** The tiles of every row that touches [top, bottom). */
export function tilesBetween(wall: Wall, top: number, bottom: number): Span {
  if (wall.rowCount === 0 || bottom <= 0 || top >= wall.height) {
    return { first: 0, end: 0 };
  }
  const firstRow = rowAt(wall, top);
  const lastRow = rowAt(wall, bottom - 1);
  return {
    first: wall.rowFirsts[firstRow] ?? 0,
    end: lastRow + 1 < wall.rowCount ? (wall.rowFirsts[lastRow + 1] ?? 0) : wall.lefts.length,
  };
}

/** The row whose top is the last one at or above `y`; the first row for anything above it. */
export function rowAt(wall: Wall, y: number): number {
  let low = 0;
  let high = wall.rowCount - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((wall.rowTops[middle] ?? 0) <= y) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/** The tile of the next row whose centre is nearest; the same tile where there is no row in that direction. */
export function tileInNextRow(wall: Wall, index: number, direction: 1 | -1): number {
  const row = (wall.rowOf[index] ?? 0) + direction;
  if (row < 0 || row >= wall.rowCount) {
    return index;
  }
  const centre = centreOf(wall, index);
  const end = row + 1 < wall.rowCount ? (wall.rowFirsts[row + 1] ?? 0) : wall.lefts.length;
  let nearest = wall.rowFirsts[row] ?? 0;
  for (let candidate = nearest + 1; candidate < end; candidate += 1) {
    if (Math.abs(centreOf(wall, candidate) - centre) < Math.abs(centreOf(wall, nearest) - centre)) {
      nearest = candidate;
    }
  }
  return nearest;
}

/** Rows of one height, with a margin above and below. */
export function rowsInView(scroll: number, viewHeight: number, rowHeight: number, rowCount: number): Span {
  const margin = 6;
  const first = Math.max(0, Math.floor(scroll / rowHeight) - margin);
  const end = Math.min(rowCount, Math.ceil((scroll + viewHeight) / rowHeight) + margin);
  return { first: Math.min(first, rowCount), end: Math.max(end, Math.min(first, rowCount)) };
}

function centreOf(wall: Wall, index: number): number {
  return (wall.lefts[index] ?? 0) + (wall.widths[index] ?? 0) / 2;
}
