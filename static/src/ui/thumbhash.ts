// Pure: a ThumbHash of about 25 bytes -> a small blurred picture. Format: https://evanw.github.io/thumbhash/

export type Placeholder = Readonly<{ width: number; height: number; rgba: Uint8ClampedArray<ArrayBuffer> }>;

const LONG_SIDE = 32;
const MIN_HASH_BYTES = 5;

type Channel = Readonly<{ dc: number; columns: number; rows: number; waves: Float32Array }>;

type Header = Readonly<{
  luma: number;
  first: number;
  second: number;
  lumaScale: number;
  firstScale: number;
  secondScale: number;
  lumaCount: number;
  hasAlpha: boolean;
  isLandscape: boolean;
}>;

/** null where the text is no hash: a photo without a placeholder is a plain surface. */
export function decodeThumbhash(base64: string): Placeholder | null {
  const bytes = bytesOf(base64);
  if (bytes === null || bytes.length < MIN_HASH_BYTES) {
    return null;
  }
  const header = headerOf(bytes);
  const shape = shapeOf(header);
  const nibbles = nibblesOf(bytes, header.hasAlpha ? 6 : 5);
  // Colours are stored a quarter stronger than read, to make up for the rounding of small waves.
  const luma = channelOf(nibbles, {
    dc: header.luma,
    scale: header.lumaScale,
    columns: shape.columns,
    rows: shape.rows,
  });
  const first = channelOf(nibbles, {
    dc: header.first,
    scale: header.firstScale * 1.25,
    columns: 3,
    rows: 3,
  });
  const second = channelOf(nibbles, {
    dc: header.second,
    scale: header.secondScale * 1.25,
    columns: 3,
    rows: 3,
  });
  return paint([luma, first, second], shape.ratio);
}

/** The mean colour, for when there is no time for the picture: six numbers of the header. */
export function meanColor(base64: string): string | null {
  const bytes = bytesOf(base64);
  if (bytes === null || bytes.length < MIN_HASH_BYTES) {
    return null;
  }
  const { luma, first, second } = headerOf(bytes);
  const [red, green, blue] = colorOf(luma, first, second).map((share) =>
    Math.round(255 * Math.min(1, Math.max(0, share))),
  );
  return `rgb(${red} ${green} ${blue})`;
}

function bytesOf(base64: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

function headerOf(bytes: Uint8Array): Header {
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0] = bytes;
  const word = b0 | (b1 << 8) | (b2 << 16);
  const tail = b3 | (b4 << 8);
  return {
    luma: (word & 63) / 63,
    first: ((word >> 6) & 63) / 31.5 - 1,
    second: ((word >> 12) & 63) / 31.5 - 1,
    lumaScale: ((word >> 18) & 31) / 31,
    hasAlpha: word >> 23 !== 0,
    lumaCount: tail & 7,
    firstScale: ((tail >> 3) & 63) / 63,
    secondScale: ((tail >> 9) & 63) / 63,
    isLandscape: tail >> 15 !== 0,
  };
}

function shapeOf(header: Header): { columns: number; rows: number; ratio: number } {
  const most = header.hasAlpha ? 5 : 7;
  const least = Math.max(1, header.lumaCount);
  const columns = header.isLandscape ? most : least;
  const rows = header.isLandscape ? least : most;
  return { columns: Math.max(3, columns), rows: Math.max(3, rows), ratio: columns / rows };
}

function* nibblesOf(bytes: Uint8Array, start: number): Generator<number, number> {
  for (const byte of bytes.subarray(start)) {
    yield byte & 15;
    yield byte >> 4;
  }
  return 0;
}

type ChannelPlan = Readonly<{ dc: number; scale: number; columns: number; rows: number }>;

function channelOf(nibbles: Generator<number, number>, plan: ChannelPlan): Channel {
  const waves = new Float32Array(plan.columns * plan.rows);
  for (let y = 0; y < plan.rows; y += 1) {
    // Only the triangle of low frequencies is stored, without its corner (the mean).
    for (let x = y === 0 ? 1 : 0; x * plan.rows < plan.columns * (plan.rows - y); x += 1) {
      const nibble = nibbles.next();
      waves[y * plan.columns + x] = nibble.done ? 0 : (nibble.value / 7.5 - 1) * plan.scale;
    }
  }
  return { dc: plan.dc, columns: plan.columns, rows: plan.rows, waves };
}

function paint(channels: readonly [Channel, Channel, Channel], ratio: number): Placeholder {
  const width = Math.round(ratio > 1 ? LONG_SIDE : LONG_SIDE * ratio);
  const height = Math.round(ratio > 1 ? LONG_SIDE / ratio : LONG_SIDE);
  const [luma, first, second] = channels.map((channel) => spread(channel, width, height));
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const [red, green, blue] = colorOf(luma?.[pixel] ?? 0, first?.[pixel] ?? 0, second?.[pixel] ?? 0);
    rgba[pixel * 4] = 255 * red;
    rgba[pixel * 4 + 1] = 255 * green;
    rgba[pixel * 4 + 2] = 255 * blue;
    rgba[pixel * 4 + 3] = 255;
  }
  return { width, height, rgba };
}

/** From lightness, yellow against blue and red against green to red, green and blue. */
function colorOf(luma: number, first: number, second: number): [number, number, number] {
  const blue = luma - (2 / 3) * first;
  const red = (3 * luma - blue + second) / 2;
  return [red, red - second, blue];
}

/** The inverse cosine transform, one axis after the other: across, then down. */
function spread(channel: Channel, width: number, height: number): Float32Array {
  const across = cosines(channel.columns, width);
  const down = cosines(channel.rows, height);
  const bands = product(channel.waves, across, channel.rows);
  // Every stored wave counts twice, the mean once.
  const values = product(transposed(down, channel.rows), bands, height);
  return values.map((value) => channel.dc + 2 * value);
}

/** Matrices by rows, as flat arrays: (rows × n) · (n × m) = rows × m. */
function product(left: Float32Array, right: Float32Array, rowCount: number): Float32Array {
  const inner = left.length / rowCount;
  const columnCount = right.length / inner;
  const out = new Float32Array(rowCount * columnCount);
  for (let cell = 0; cell < out.length; cell += 1) {
    const row = Math.floor(cell / columnCount);
    const column = cell % columnCount;
    let sum = 0;
    for (let at = 0; at < inner; at += 1) {
      sum += (left[row * inner + at] ?? 0) * (right[at * columnCount + column] ?? 0);
    }
    out[cell] = sum;
  }
  return out;
}

function transposed(matrix: Float32Array, rowCount: number): Float32Array {
  const columnCount = matrix.length / rowCount;
  return matrix.map((_, cell) => matrix[(cell % rowCount) * columnCount + Math.floor(cell / rowCount)] ?? 0);
}

function cosines(waveCount: number, length: number): Float32Array {
  const table = new Float32Array(waveCount * length);
  for (let wave = 0; wave < waveCount; wave += 1) {
    for (let at = 0; at < length; at += 1) {
      table[wave * length + at] = Math.cos((Math.PI / length) * (at + 0.5) * wave);
    }
  }
  return table;
}
