// What the page and the Worker that makes small pictures say to each other.

export type PreviewAsked = Readonly<{ number: number; file: Blob }>;
/** No picture where this browser can make none of the file. They come in groups. */
export type PreviewMade = Readonly<{ number: number; picture: ImageBitmap | null }>;
