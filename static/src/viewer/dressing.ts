/** Images as the image loader gives them, made to look as they say; those it would get wrong are made here. */

import dicomImageLoader from '@cornerstonejs/dicom-image-loader';
import { getBytes } from './api';
import { imageLoader, metaData, utilities } from './cornerstone';
import {
  type Display,
  eachCovered,
  isDecodedElsewhere,
  isNative,
  lookUp,
  type Pixels,
  rangeOf,
  refusalOf,
  storedOf,
  type WindowFunction,
  windowOf,
} from './display';
import { t } from './text';

export interface Known {
  readonly rows: number;
  readonly columns: number;
  /** Height and width of a pixel; of those of unknown size only the proportion is meant. */
  readonly shape: [number, number];
  readonly measured: boolean;
  readonly display: () => Display;
}

/** How an image is shown: what is black, what is white, what lies between, and whether that is turned round. */
export interface Look {
  lower: number;
  upper: number;
  function: WindowFunction;
  inverted: boolean;
}

type LibraryImage = Record<string, unknown> & {
  rows: number;
  columns: number;
  color: boolean;
  minPixelValue: number;
  maxPixelValue: number;
  getPixelData: () => Pixels;
  voxelManager: { getScalarData: () => Pixels };
};

const known = new Map<string, Known>();
const looks = new Map<string, Look>();
const DECODED = 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1';

const told = new WeakSet<object>();

export const isTold = (error: unknown): boolean => error instanceof Error && told.has(error);
export const knowImage = (id: string, image: Known): unknown => known.set(id, image);
export const lookOf = (id: string): Look | null => looks.get(id) ?? null;

export function installLoader(): void {
  metaData.addProvider(provide, 100_000);
  imageLoader.registerImageLoader('wadors', ((imageId: string, options: object) => ({
    promise: load(imageId, options),
  })) as never);
}

async function load(imageId: string, options: object): Promise<LibraryImage> {
  try {
    return await shown(imageId, options);
  } catch (error) {
    // The library leaves a second, unheard promise behind each image that fails; the first one tells.
    if (error instanceof Error) told.add(error);
    throw error;
  }
}

async function shown(imageId: string, options: object): Promise<LibraryImage> {
  const image = known.get(imageId);
  const plainly = async (): Promise<LibraryImage> =>
    (await dicomImageLoader.wadors.loadImage(imageId, options as never).promise) as unknown as LibraryImage;
  if (!image) return plainly();
  const display = image.display();
  const refusal = refusalOf(display);
  if (refusal) throw Object.assign(new Error(refusal), { refused: true });
  if (isDecodedElsewhere(display)) return made(imageId, image, display);
  const found = await plainly();
  const count = image.rows * image.columns;
  if (found.rows !== image.rows || found.columns !== image.columns || found.getPixelData().length % count)
    throw new Error(t('The size of the frame differs from its header.'));
  if (!found.color && hasRubbish(found, display)) return made(imageId, image, display);
  return dressed(imageId, found, image, display);
}

/** Whether there are values that the stored bits cannot hold. */
function hasRubbish(found: LibraryImage, { stored, allocated, signed, slope, intercept }: Display): boolean {
  if (stored >= allocated) return false;
  const ends = [found.minPixelValue, found.maxPixelValue].map((value) => (value - intercept) / slope);
  const low = signed ? -(2 ** (stored - 1)) : 0;
  const high = signed ? 2 ** (stored - 1) - 1 : 2 ** stored - 1;
  return ends.some((value) => value < low - 0.5 || value > high + 0.5);
}

/** An image from its decoded bytes, as the server gives them. */
async function made(imageId: string, image: Known, display: Display): Promise<LibraryImage> {
  const bytes = await getBytes(imageId.slice('wadors:'.length), DECODED);
  const color = display.samples > 1;
  const pixels = color ? colours(display, bytes, image) : grey(display, bytes, image);
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of pixels) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const components = color ? 3 : 1;
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({
    scalarData: pixels as never,
    width: image.columns,
    height: image.rows,
    numberOfComponents: components,
  });
  const [high, wide] = image.shape;
  const series = metaData.get('generalSeriesModule', imageId) as { modality?: string } | undefined;
  const found = {
    imageId,
    dataType: pixels.constructor.name,
    color,
    rgba: false,
    rows: image.rows,
    columns: image.columns,
    height: image.rows,
    width: image.columns,
    rowPixelSpacing: high,
    columnPixelSpacing: wide,
    calibration: metaData.get('calibrationModule', imageId) ?? {},
    slope: 1,
    intercept: 0,
    minPixelValue: Number.isFinite(min) ? min : 0,
    maxPixelValue: Number.isFinite(max) ? max : 0,
    sizeInBytes: pixels.byteLength,
    numberOfComponents: components,
    preScale: color
      ? undefined
      : {
          enabled: true,
          scaled: true,
          scalingParameters: { rescaleSlope: 1, rescaleIntercept: 0, modality: series?.modality ?? '' },
        },
    imageFrame: { photometricInterpretation: color ? 'RGB' : display.photometric, pixelData: pixels },
    decodeTimeInMS: 0,
    loadTimeInMS: 0,
    floatPixelData: undefined,
    getCanvas: undefined,
    getPixelData: () => pixels,
    voxelManager,
  } as unknown as LibraryImage;
  return dressed(imageId, found, image, display);
}

function grey(display: Display, bytes: Uint8Array, image: Known): Pixels {
  const stored = storedOf(display, bytes, image.rows * image.columns);
  const { modality, slope, intercept } = display;
  const values = new Float32Array(stored.length);
  let whole = true;
  for (let i = 0; i < stored.length; i += 1) {
    const value = stored[i] as number;
    const meant = modality ? lookUp(modality, value) : value * slope + intercept;
    values[i] = Number.isFinite(meant) ? meant : 0;
    if (whole && (meant % 1 || meant < -32768 || meant > 32767)) whole = false;
  }
  return whole ? Int16Array.from(values) : values;
}

function colours(display: Display, bytes: Uint8Array, image: Known): Uint8Array {
  const count = image.rows * image.columns;
  const size = display.allocated / 8;
  if (bytes.length < 3 * count * size) throw new Error(t('The frame has fewer pixels than its header says.'));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (i: number): number => (size === 2 ? view.getUint16(2 * i, true) : view.getUint8(i));
  const scale = 255 / (2 ** display.stored - 1);
  const asStored = isNative(display);
  const found = new Uint8ClampedArray(3 * count);
  for (let i = 0; i < count; i += 1) {
    const at = (n: number): number => (asStored && display.planar ? n * count + i : 3 * i + n);
    const [a, b, c] = [read(at(0)) * scale, read(at(1)) * scale, read(at(2)) * scale];
    if (asStored && display.photometric === 'YBR_FULL') {
      found[3 * i] = a + 1.402 * (c - 128);
      found[3 * i + 1] = a - 0.344136 * (b - 128) - 0.714136 * (c - 128);
      found[3 * i + 2] = a + 1.772 * (b - 128);
    } else found.set([a, b, c], 3 * i);
  }
  return new Uint8Array(found.buffer);
}

/** Windows, LUTs and overlays, on what is drawn. What is measured stays the values themselves. */
function dressed(imageId: string, found: LibraryImage, image: Known, display: Display): LibraryImage {
  const values = found.getPixelData();
  const { color } = found;
  const range = color ? null : rangeOf(display, values);
  let drawn = values;
  if (display.voi && !color) {
    const { voi } = display;
    const looked = voi.ceiling > 255 ? new Uint16Array(values.length) : new Uint8Array(values.length);
    for (let i = 0; i < values.length; i += 1) looked[i] = lookUp(voi, values[i] as number);
    drawn = looked;
    [found.minPixelValue, found.maxPixelValue] = [0, voi.ceiling];
  }
  if (display.overlays.length) {
    if (drawn === values) drawn = values.slice() as Pixels;
    const components = Math.max(1, Math.round(values.length / (image.rows * image.columns)));
    const white = color
      ? 255
      : display.inverted
        ? Math.min(found.minPixelValue, Math.floor(range?.lower ?? 0))
        : Math.max(found.maxPixelValue, Math.ceil(range?.upper ?? 255));
    eachCovered(display, image.rows, image.columns, (index) => {
      for (let n = 0; n < components; n += 1) drawn[index * components + n] = white;
    });
  }
  if (drawn !== values) {
    found.voxelManager.getScalarData = () => drawn;
    found.getPixelData = () => drawn;
    found['dataType'] = drawn.constructor.name;
  }
  // The library's way to show colours as they are.
  if (color) [found['windowCenter'], found['windowWidth']] = [128, 256];
  if (range) {
    const window = windowOf(range, range.function);
    found['windowCenter'] = window.center;
    found['windowWidth'] = window.width;
    found['voiLUTFunction'] = range.function;
    found['invert'] = display.inverted;
    looks.set(imageId, { ...range, inverted: display.inverted });
  }
  return found;
}

let asking = false;

/** Metadata of known images, put right: what the library would take from the header as it is written. */
function provide(type: string, imageId: string): unknown {
  if (asking || (type !== 'imagePlaneModule' && type !== 'modalityLutModule' && type !== 'voiLutModule'))
    return undefined;
  const image = known.get(imageId);
  if (!image) return undefined;
  asking = true;
  try {
    const below = metaData.get(type, imageId) as Record<string, unknown> | undefined;
    if (type === 'imagePlaneModule') {
      const [high, wide] = image.shape;
      const { usingDefaultValues: _unused, ...place } = below ?? {};
      return {
        ...place,
        rowCosines: place['rowCosines'] ?? [1, 0, 0],
        columnCosines: place['columnCosines'] ?? [0, 1, 0],
        imagePositionPatient: place['imagePositionPatient'] ?? [0, 0, 0],
        imageOrientationPatient: place['imageOrientationPatient'] ?? [1, 0, 0, 0, 1, 0],
        rowPixelSpacing: high,
        columnPixelSpacing: wide,
        usingDefaultValues: !image.measured,
      };
    }
    const display = image.display();
    if (type === 'voiLutModule') {
      const { window } = display;
      // The loader takes the first of the functions and of the windows.
      return window
        ? { windowCenter: [window.center], windowWidth: [window.width], voiLUTFunction: [window.function] }
        : {};
    }
    const { modalityLUTSequence: _table, ...rest } = below ?? {};
    if (!below && display.slope === 1 && display.intercept === 0) return undefined;
    return { ...rest, rescaleSlope: display.slope, rescaleIntercept: display.intercept };
  } finally {
    asking = false;
  }
}
