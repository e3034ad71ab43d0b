// Pure: a long file name is shortened in the middle, so that its number and its ending stay.

const ELLIPSIS = "…";
// Room for "_4411.jpeg" at the end.
const TAIL_CHARS = 12;

export function shortenInTheMiddle(name: string, maxChars: number): string {
  // Code points, so that no emoji is cut in two.
  const letters = Array.from(name);
  if (letters.length <= maxChars) {
    return name;
  }
  const tailCount = Math.min(TAIL_CHARS, Math.floor((maxChars - 1) / 2));
  const headCount = maxChars - 1 - tailCount;
  return letters.slice(0, headCount).join("") + ELLIPSIS + letters.slice(letters.length - tailCount).join("");
}
