/**
 * What the stored values of a frame look like (PS3.4 N.2): Modality LUT, VOI LUT or window, Presentation LUT, overlays.
 * The same as `archive/domain/display.py` makes of them on the server; a test holds both together.
 */

import type { Window, WindowPreset } from './contract';
import { t } from './text';

export interface Attribute {
  vr: string;
  Value?: unknown[];
  InlineBinary?: string;
  BulkDataURI?: string;
}
export type Dataset = Record<string, Attribute>;

export type WindowFunction = 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';

/** Entries from the value `first` on; what lies before or behind takes the nearest one. `ceiling` is white. */
export interface Table {
  first: number;
  entries: Uint16Array | Uint8Array;
  ceiling: number;
}

export interface Plane {
  rows: number;
  columns: number;
  top: number;
  left: number;
  /** Index of the first bit of this frame. */
  start: number;
  bytes: Uint8Array;
}

export interface Display {
  slope: number;
  intercept: number;
  modality: Table | null;
  window: (Window & { function: WindowFunction }) | null;
  voi: Table | null;
  inverted: boolean;
  /** Stored values around the image that are none of it, lowest and highest. */
  padding: [number, number] | null;
  /** White of an image that is shown over all its bits; null where the values that occur decide. */
  whole: number | null;
  overlays: Plane[];
  allocated: number;
  stored: number;
  signed: boolean;
  float: boolean;
  samples: number;
  photometric: string;
  planar: boolean;
  syntax: string;
}

const JPEG_BASELINE = '1.2.840.10008.1.2.4.50';
const NATIVE = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.2'];
/** Angiography and fluoroscopy: their Modality LUT is not for display (PS3.3 C.8.7.1.1.2). */
const LUT_NOT_SHOWN = ['1.2.840.10008.5.1.4.1.1.12.1', '1.2.840.10008.5.1.4.1.1.12.2'];
const UNCONVERTED = ['YBR_PARTIAL_4', 'HSV', 'ARGB', 'CMYK'];

const values = (d: Dataset | undefined, tag: string): unknown[] => d?.[tag]?.Value ?? [];
const word = (d: Dataset | undefined, tag: string): string => String(values(d, tag)[0] ?? '').trim();
const item = (d: Dataset | undefined, tag: string): Dataset | undefined => values(d, tag)[0] as Dataset | undefined;

/** Each part of a multi-valued number in its place; null for what is none. */
function numbersOf(d: Dataset | undefined, tag: string): (number | null)[] {
  return values(d, tag).map((part) => {
    const number = part === null || part === '' ? Number.NaN : Number(part);
    return Number.isFinite(number) ? number : null;
  });
}

const one = (d: Dataset | undefined, tag: string): number | null => numbersOf(d, tag)[0] ?? null;

export function bytesOf(attribute: Attribute | undefined): Uint8Array | null {
  if (!attribute) return null;
  if (attribute.InlineBinary) return Uint8Array.from(atob(attribute.InlineBinary), (c) => c.charCodeAt(0));
  if (!attribute.Value?.length) return null;
  const words = Uint16Array.from(attribute.Value.map(Number));
  return new Uint8Array(words.buffer);
}

/** Usable pairs of centre and width (PS3.3 C.11.2.1.2). Widths below 1 mean LINEAR_EXACT whatever is written. */
export function windowsOf(d: Dataset | undefined): (WindowPreset & { function: WindowFunction })[] {
  const widths = numbersOf(d, '00281051');
  const labels = values(d, '00281055');
  const written = word(d, '00281056').toUpperCase();
  const known = (['LINEAR', 'LINEAR_EXACT', 'SIGMOID'] as const).find((name) => name === written) ?? 'LINEAR';
  return numbersOf(d, '00281050').flatMap((center, i) => {
    const width = widths[i] ?? null;
    if (center === null || width === null || width <= 0) return [];
    const used = known === 'LINEAR' && width < 1 ? 'LINEAR_EXACT' : known;
    return [{ center, width, label: String(labels[i] ?? ''), function: used }];
  });
}

function tableOf(sequenceItem: Dataset | undefined, signed: boolean): Table | null {
  const [length, from, width] = numbersOf(sequenceItem, '00283002');
  const raw = bytesOf(sequenceItem?.['00283006']);
  if (length == null || from == null || width == null || !raw) return null;
  const count = length & 0xffff || 65536;
  let entries: Uint16Array | Uint8Array;
  if (raw.length >= 2 * count) entries = new Uint16Array(raw.slice(0, 2 * count).buffer);
  else if (width <= 8 && raw.length >= count) entries = raw.slice(0, count);
  else return null;
  const first = from & 0xffff;
  let most = 0;
  for (const entry of entries) if (entry > most) most = entry;
  const bits = width < 1 || width > 16 || most >= 2 ** width ? Math.max(8, Math.ceil(Math.log2(most + 1))) : width;
  return { first: signed && first >= 32768 ? first - 65536 : first, entries, ceiling: 2 ** bits - 1 };
}

function overlaysOf(d: Dataset, frame: number): Plane[] {
  const found: Plane[] = [];
  for (let group = 0x6000; group < 0x6020; group += 2) {
    const tag = (element: string): string => group.toString(16).toUpperCase() + element;
    const rows = one(d, tag('0010'));
    const columns = one(d, tag('0011'));
    const bytes = bytesOf(d[tag('3000')]);
    if (!rows || !columns || !bytes) continue;
    const [top, left] = numbersOf(d, tag('0050'));
    const frames = one(d, tag('0015')) ?? 1;
    const begins = one(d, tag('0051'));
    const index = frames <= 1 && begins === null ? 0 : frame - (begins ?? 1);
    const start = index * rows * columns;
    if (index < 0 || index >= Math.max(1, frames) || bytes.length * 8 < start + rows * columns) continue;
    found.push({ rows, columns, top: (top ?? 1) - 1, left: (left ?? 1) - 1, start, bytes });
  }
  return found;
}

export function displayOf(d: Dataset, shared: Dataset | undefined, own: Dataset | undefined, frame: number): Display {
  const group = (sequence: string): Dataset | undefined => item(own, sequence) ?? item(shared, sequence);
  const float = !d['00280101'] && (one(d, '00280100') ?? 16) >= 32;
  const signed = one(d, '00280103') === 1;
  const allocated = one(d, '00280100') ?? 16;
  const stored = Math.min(one(d, '00280101') ?? allocated, allocated);
  const modality = LUT_NOT_SHOWN.includes(word(d, '00080016')) ? null : tableOf(item(d, '00283000'), signed);
  const transform = group('00289145');
  const rescaled = one(transform, '00281053') ? transform : d;
  const slope = modality ? 1 : one(rescaled, '00281053') || 1;
  const intercept = modality ? 0 : (one(rescaled, '00281052') ?? 0);
  let window: Display['window'] = null;
  let voi: Table | null = null;
  for (const source of [group('00289132'), d]) {
    window = windowsOf(source)[0] ?? null;
    voi = window ? null : tableOf(item(source, '00283010'), !modality && (signed || intercept < 0));
    if (window || voi) break;
  }
  const asStored = (value: number): number => {
    const all = 2 ** allocated;
    if (signed && value >= all / 2) return value - all;
    return !signed && value < 0 ? value + all : value;
  };
  const pad = one(d, '00280120');
  const limit = one(d, '00280121') ?? pad;
  const ends = pad === null || limit === null ? null : [asStored(pad), asStored(limit)].sort((a, b) => a - b);
  const plain = !modality && slope === 1 && intercept === 0 && !signed && stored <= 8;
  const photometric = word(d, '00280004');
  return {
    slope,
    intercept,
    modality,
    window,
    voi,
    inverted: photometric === 'MONOCHROME1' || word(d, '20500020').toUpperCase() === 'INVERSE',
    padding: ends as [number, number] | null,
    whole: plain ? 2 ** stored - 1 : null,
    overlays: overlaysOf(d, frame),
    allocated,
    stored,
    signed,
    float,
    samples: one(d, '00280002') ?? 1,
    photometric,
    planar: one(d, '00280006') === 1,
    syntax: word(d, '00083002'),
  };
}

/** Why an image cannot be shown rightly; empty when it can. */
export function refusalOf(display: Display): string {
  if (display.samples > 1 && UNCONVERTED.some((name) => display.photometric.startsWith(name)))
    return t('The color space {name} is not supported.', { name: display.photometric });
  return '';
}

/** Whether the decoders of the browser would show it wrongly, so that the server's are asked and the rest is done here. */
export function isDecodedElsewhere(display: Display): boolean {
  const { allocated, samples, photometric, syntax } = display;
  if (photometric === 'PALETTE COLOR') return false;
  if (samples > 1)
    return allocated > 8 || photometric === 'YBR_FULL' || (syntax === JPEG_BASELINE && photometric === 'RGB');
  const isOdd = allocated === 1 || allocated > 16 || (allocated === 8 && display.signed);
  return isOdd || display.float || display.modality !== null;
}

export const isNative = (display: Display): boolean => NATIVE.includes(display.syntax);

export type Pixels = Uint8Array | Int8Array | Uint16Array | Int16Array | Float32Array;

/** The native bytes of a grey frame as stored values, without what is in the bits above the stored ones. */
export function storedOf(display: Display, bytes: Uint8Array, count: number): Pixels | Float64Array {
  const { allocated, stored, signed, float } = display;
  if (allocated === 1) return Uint8Array.from({ length: count }, (_u, i) => ((bytes[i >> 3] ?? 0) >> (i & 7)) & 1);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = allocated / 8;
  if (bytes.length < count * size) throw new Error(t('The frame has fewer pixels than its header says.'));
  const read = (i: number): number => {
    const at = i * size;
    if (float) return size === 8 ? view.getFloat64(at, true) : view.getFloat32(at, true);
    if (size === 1) return signed ? view.getInt8(at) : view.getUint8(at);
    if (size === 2) return signed ? view.getInt16(at, true) : view.getUint16(at, true);
    if (size === 4) return signed ? view.getInt32(at, true) : view.getUint32(at, true);
    return Number(signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true));
  };
  const found = new Float64Array(count);
  const spare = allocated <= 32 && !float ? 32 - stored : 0;
  for (let i = 0; i < count; i += 1) {
    const value = read(i);
    if (!spare) found[i] = value;
    else found[i] = signed ? (value << spare) >> spare : (value << spare) >>> spare;
  }
  return found;
}

export function lookUp(table: Table, value: number): number {
  const place = Math.round(value) - table.first;
  const last = table.entries.length - 1;
  return table.entries[place > 0 ? Math.min(place, last) : 0] as number;
}

/** The ends of grey: what is black and what is white, and the function between (null: nothing there to say it). */
export function rangeOf(
  display: Display,
  pixels: ArrayLike<number>,
): { lower: number; upper: number; function: WindowFunction } {
  const { window } = display;
  if (display.voi) return { lower: 0, upper: display.voi.ceiling, function: 'LINEAR_EXACT' };
  if (window) return { ...edges(window, window.function), function: window.function };
  if (display.whole !== null) return { lower: 0, upper: display.whole, function: 'LINEAR_EXACT' };
  let lower = Number.POSITIVE_INFINITY;
  let upper = Number.NEGATIVE_INFINITY;
  const scan = (skip: [number, number] | null): void => {
    for (let i = 0; i < pixels.length; i += 1) {
      const value = pixels[i] as number;
      if (!Number.isFinite(value) || (skip && value >= skip[0] && value <= skip[1])) continue;
      if (value < lower) lower = value;
      if (value > upper) upper = value;
    }
  };
  // Padding is a matter of stored values, what is looked at here are those they stand for.
  const { padding, slope, intercept } = display;
  const skip = padding && !display.modality ? padding.map((v) => v * slope + intercept).sort((a, b) => a - b) : null;
  scan(skip as [number, number] | null);
  if (lower > upper) scan(null);
  if (lower > upper) return { lower: 0, upper: 1, function: 'LINEAR_EXACT' };
  return { lower, upper: upper > lower ? upper : lower + 1, function: 'LINEAR_EXACT' };
}

/** Values that are black and white (PS3.3 C.11.2.1.2, C.11.2.1.3). */
export function edges({ center, width }: Window, how: WindowFunction): { lower: number; upper: number } {
  if (how === 'LINEAR_EXACT') return { lower: center - width / 2, upper: center + width / 2 };
  // A width of 1 has one edge: black up to it and white above.
  const lower = center - 0.5 - (width - 1) / 2;
  return { lower, upper: how === 'LINEAR' && width <= 1 ? lower + 0.01 : center - 0.5 + (width - 1) / 2 };
}

export function windowOf(range: { lower: number; upper: number }, how: WindowFunction): Window {
  const { lower, upper } = range;
  if (how === 'LINEAR_EXACT') return { center: (lower + upper) / 2, width: upper - lower };
  return { center: (lower + upper + 1) / 2, width: upper - lower + 1 };
}

/** Call for every pixel that an overlay covers. */
export function eachCovered(display: Display, rows: number, columns: number, take: (index: number) => void): void {
  for (const plane of display.overlays) {
    for (let y = 0; y < plane.rows; y += 1) {
      const row = y + plane.top;
      if (row < 0 || row >= rows) continue;
      for (let x = 0; x < plane.columns; x += 1) {
        const column = x + plane.left;
        const bit = plane.start + y * plane.columns + x;
        if (column < 0 || column >= columns || !(((plane.bytes[bit >> 3] as number) >> (bit & 7)) & 1)) continue;
        take(row * columns + column);
      }
    }
  }
}
