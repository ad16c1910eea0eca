/** A series as a stack of images: its DICOM JSON read once, ordered in space, registered with the image loader. */

import { utilities as metadata } from '@cornerstonejs/metadata';
import { getJson, HttpError, SignedOut } from './api';
import { fetchTables, hasPendingTables } from './bulk';
import type { SeriesEntry, StudyEntry, WindowPreset } from './contract';
import { type Dataset, type Display, displayOf, windowsOf } from './display';
import { knowImage } from './dressing';
import { depthOf, dot, normalOf, type Plane, type Vector } from './geometry';
import { type Size, sizeOf } from './spacing';
import { t } from './text';

export type { Dataset };

export interface ImageRef {
  id: string;
  series: string;
  sop: string;
  frame: number;
  rows: number;
  columns: number;
  instance: number | null;
  plane: Plane | null;
  frameOfReference: string | null;
  /** Between rows, between columns, in mm; null when the image says nothing of its size. */
  spacing: [number, number] | null;
  spacingNote: string;
  size: Size;
  /** Where the rows and the columns of the image run to (Patient Orientation), for images without a place in space. */
  sides: [string, string] | null;
  /** Side of the body and view, as "R CC". */
  view: string;
  thickness: number | null;
  location: number | null;
  windows: WindowPreset[];
  photometric: string;
  lossy: string;
  date: string;
  description: string;
  institution: string;
  frameTime: number | null;
}

export type Loading = 'waiting' | 'metadata' | 'ready' | 'failed';

const text = (d: Dataset | undefined, tag: string): string => {
  const value = d?.[tag]?.Value?.[0];
  if (value === undefined || value === null) return '';
  if (typeof value === 'object') return String((value as Record<string, unknown>)['Alphabetic'] ?? '');
  return String(value);
};
const numbers = (d: Dataset | undefined, tag: string): number[] =>
  (d?.[tag]?.Value ?? []).map(Number).filter((n) => Number.isFinite(n));
const one = (d: Dataset | undefined, tag: string): number | null => numbers(d, tag)[0] ?? null;
const item = (d: Dataset | undefined, tag: string, index = 0): Dataset | undefined =>
  d?.[tag]?.Value?.[index] as Dataset | undefined;

export { item as sequenceItem, text as textOf };

const SEGMENTATION = '1.2.840.10008.5.1.4.1.1.66.4';

export class Series {
  images: ImageRef[] = [];
  datasets: Dataset[] = [];
  loading: Loading = 'waiting';
  error = '';
  /** Images whose pixels are in memory, and those that could not be read (image id → reason). */
  readonly cached = new Set<string>();
  readonly failed = new Map<string, string>();
  private promise: Promise<void> | null = null;
  private readonly index = new Map<string, number>();
  /** Instances the image loader has not been told of yet: a long series is not read twice before its first image. */
  private readonly unknown = new Map<string, { id: string; dataset: Dataset }>();

  constructor(
    readonly entry: SeriesEntry,
    readonly study: StudyEntry,
  ) {}

  get uid(): string {
    return this.entry.uid;
  }

  get modality(): string {
    return this.entry.modality;
  }

  /** Frames known from the metadata, or what the archive counted until it is here. */
  get size(): number {
    return this.loading === 'ready' ? this.images.length : this.entry.frames || this.entry.instances;
  }

  load(): Promise<void> {
    if (!this.promise) {
      this.loading = 'metadata';
      this.promise = this.read().catch((error: unknown) => {
        this.promise = null;
        this.loading = 'failed';
        this.error = reasonOf(error);
        throw error;
      });
    }
    return this.promise;
  }

  private async read(): Promise<void> {
    const root = `${this.study.dicomweb}/studies/${this.study.uid}/series/${this.uid}`;
    this.datasets = await getJson<Dataset[]>(`${root}/metadata`, 'application/dicom+json');
    const images = this.datasets.flatMap((dataset) => this.register(root, dataset));
    this.images = inSpace(images);
    this.images.forEach((image, i) => {
      this.index.set(`${image.sop}/${image.frame}`, i);
    });
    this.loading = 'ready';
  }

  private register(root: string, dataset: Dataset): ImageRef[] {
    const rows = one(dataset, '00280010');
    const columns = one(dataset, '00280011');
    // Segmentations have bits, not grey values: they are named, not drawn.
    if (!rows || !columns || text(dataset, '00080016') === SEGMENTATION) return [];
    const sop = text(dataset, '00080018');
    const frames = Math.max(1, one(dataset, '00280008') ?? 1);
    const shared = item(dataset, '52009229');
    const common = {
      series: this.uid,
      sop,
      rows,
      columns,
      instance: one(dataset, '00200013'),
      frameOfReference: text(dataset, '00200052') || null,
      photometric: text(dataset, '00280004'),
      lossy: lossyNote(dataset),
      date: text(dataset, '00080022') || text(dataset, '00080020'),
      description: text(dataset, '0008103E'),
      institution: text(dataset, '00080080'),
      frameTime: frameTime(dataset, frames),
      view: viewOf(dataset),
    };
    const found: ImageRef[] = [];
    this.unknown.set(sop, { id: `wadors:${root}/instances/${sop}/frames/1`, dataset });
    for (let frame = 1; frame <= frames; frame += 1) {
      const own = item(dataset, '52009230', frame - 1);
      const id = `wadors:${root}/instances/${sop}/frames/${frame}`;
      const place = placeOf(dataset, shared, own, frame);
      found.push({ ...common, id, frame, ...place });
      let display: Display | null = null;
      knowImage(id, {
        rows,
        columns,
        shape: place.size.shape,
        measured: place.spacing !== null,
        // Tables that metadata only points at are here when pixels are asked for, and not before.
        display: () => {
          display ??= displayOf(dataset, shared, own, frame);
          return display;
        },
      });
    }
    return found;
  }

  /** Tell the image loader of an image; false when something it needs has to be fetched first. */
  announce(image: ImageRef): boolean {
    const entry = this.unknown.get(image.sop);
    if (!entry) return true;
    if (hasPendingTables(entry.dataset)) return false;
    // Once an instance: the library finds the other frames by their address.
    metadata.addDicomWebInstance(entry.id, entry.dataset);
    this.unknown.delete(image.sop);
    return true;
  }

  /** Have everything the image loader needs beside the pixels. */
  async prepare(image: ImageRef): Promise<void> {
    if (this.announce(image)) return;
    const entry = this.unknown.get(image.sop);
    if (entry) await fetchTables(entry.dataset);
    this.announce(image);
  }

  indexOf(sop: string, frame: number): number {
    return this.index.get(`${sop}/${frame}`) ?? -1;
  }

  /** Whether there is anything to draw. */
  get drawable(): boolean {
    return this.images.length > 0;
  }

  /** Slice whose plane lies nearest to a point; -1 when the series has no geometry. */
  nearest(point: Vector): number {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    this.images.forEach((image, i) => {
      if (!image.plane) return;
      const d = Math.abs(dot(point, normalOf(image.plane)) - depthOf(image.plane));
      if (d < least) {
        least = d;
        best = i;
      }
    });
    return best;
  }
}

export function reasonOf(error: unknown): string {
  if (error instanceof SignedOut) return t('You are signed out.');
  const status = (error as { status?: number } | null)?.status;
  if (error instanceof HttpError || typeof status === 'number') {
    if (status === 0) return t('The server could not be reached.');
    if (status === 404) return t('The image is no longer there.');
    if (status === 403) return t('You may not see this image.');
    if (status === 406) return refusalOf(error);
    if (status === 503) return t('The server is busy with other images. Try again in a few seconds.');
    return t('The server answered with an error ({status}).', { status: status ?? 0 });
  }
  if (error instanceof TypeError && /fetch|network/i.test(error.message)) return t('The server could not be reached.');
  const inner = (error as { error?: unknown } | null)?.error;
  if (inner !== undefined && inner !== error) return reasonOf(inner);
  if ((error as { refused?: boolean } | null)?.refused)
    return t('This image cannot be shown: {reason}', { reason: (error as Error).message });
  const message = error instanceof Error ? error.message : typeof error === 'string' ? error : '';
  return message
    ? t('The image could not be decoded: {message}', { message: message.slice(0, 160) })
    : t('The image could not be decoded.');
}

/** Whether asking again gives the same answer. */
export function isFinal(error: unknown): boolean {
  const { status, error: inner, refused } = (error ?? {}) as { status?: number; error?: unknown; refused?: boolean };
  return refused || status === 406 || (inner !== undefined && inner !== error && isFinal(inner));
}

/** Why the server gives no picture of an image, in its own words where it has some. */
function refusalOf(error: unknown): string {
  const { code, detail } = problemOf(error);
  if (code === 'pixels-damaged') {
    return t(
      'This image is damaged and cannot be shown: its pixel data is not the image that its header describes. The file is kept as it arrived.',
    );
  }
  if (code === 'not-decodable' && detail) return t('This image cannot be shown: {reason}', { reason: detail });
  return t('The image is stored in a form that cannot be shown here.');
}

/** The problem document (RFC 9457) of a failed answer, as the image loader or a request of our own hands it on. */
function problemOf(error: unknown): { code?: string; detail?: string } {
  let body = error instanceof HttpError ? error.body : null;
  if (error instanceof XMLHttpRequest && error.response instanceof ArrayBuffer) {
    try {
      body = JSON.parse(new TextDecoder().decode(error.response));
    } catch {
      body = null;
    }
  }
  return body !== null && typeof body === 'object' ? body : {};
}

function lossyNote(dataset: Dataset): string {
  if (text(dataset, '00282110') !== '01') return '';
  const ratio = numbers(dataset, '00282112').at(-1);
  return ratio ? t('Lossy {ratio}:1', { ratio: Math.round(ratio) }) : t('Lossy');
}

/** Laterality and view (PS3.3 C.8.11.1, C.8.11.7): "R CC", "L MLO", "PA". */
function viewOf(dataset: Dataset): string {
  const side = text(dataset, '00200062') || text(dataset, '00200060');
  const coded = item(dataset, '00540220');
  const code = MAMMOGRAPHY_VIEWS[text(coded, '00080100')];
  return [side, code ?? text(dataset, '00185101')].filter(Boolean).join(' ');
}

/** SNOMED CT and SRT codes of CID 4014, as they are written on films. */
const MAMMOGRAPHY_VIEWS: Record<string, string> = {
  'R-10242': 'CC',
  '399162004': 'CC',
  'R-10226': 'MLO',
  '399368009': 'MLO',
  'R-10224': 'ML',
  '399260004': 'ML',
  'R-10228': 'LM',
  '399352003': 'LM',
};

/** Milliseconds a frame for display; null for what is no clip. A time of 0 says nothing (PS3.3 C.7.6.5). */
function frameTime(dataset: Dataset, frames: number): number | null {
  if (frames < 2) return null;
  const positive = (value: number | null | undefined): number | null => (value && value > 0 ? value : null);
  const single = positive(one(dataset, '00181063'));
  const vector = numbers(dataset, '00181065').slice(1);
  const mean = positive(vector.length ? vector.reduce((a, b) => a + b, 0) / vector.length : null);
  const byVector = text(dataset, '00280009').toUpperCase() === '00181065';
  const recommended = positive(one(dataset, '00082144'));
  if (recommended) return 1000 / recommended;
  const timed = byVector ? (mean ?? single) : (single ?? mean);
  const rate = positive(one(dataset, '00180040'));
  return timed ?? (rate ? 1000 / rate : null) ?? (dataset['00280009'] ? USUAL_FRAME_TIME : null);
}

/** Of a clip whose speed nobody says. */
const USUAL_FRAME_TIME = 1000 / 15;

type Place = Pick<
  ImageRef,
  'plane' | 'spacing' | 'size' | 'spacingNote' | 'thickness' | 'location' | 'windows' | 'sides'
>;

function placeOf(dataset: Dataset, shared: Dataset | undefined, own: Dataset | undefined, frame: number): Place {
  const group = (sequence: string): Dataset | undefined => item(own, sequence) ?? item(shared, sequence);
  const measures = group('00289110');
  const position = numbers(group('00209113'), '00200032');
  const flat = frame === 1 || !own;
  const at = position.length === 3 ? position : flat ? numbers(dataset, '00200032') : [];
  const grouped = numbers(group('00209116'), '00200037');
  const orientation = grouped.length === 6 ? grouped : numbers(dataset, '00200037');
  const size = sizeOf(dataset, measures);
  const row = orientation.slice(0, 3) as Vector;
  const column = orientation.slice(3, 6) as Vector;
  // Axes that are none, as all zeros, would make every place in the patient no number.
  const upright = orientation.length === 6 && dot(row, row) > 0.5 && dot(column, column) > 0.5;
  const plane: Plane | null =
    at.length === 3 && upright && size.spacing ? { position: at as Vector, row, column, spacing: size.spacing } : null;
  const letters = (group('00209116')?.['00200020'] ?? dataset['00200020'])?.Value ?? [];
  return {
    plane,
    size,
    spacing: size.spacing,
    spacingNote: size.note,
    thickness: one(measures, '00180050') ?? one(dataset, '00180050'),
    location: plane ? null : one(dataset, '00201041'),
    windows: windowsOf(group('00289132') ?? dataset),
    sides: letters.length === 2 ? [String(letters[0] ?? ''), String(letters[1] ?? '')] : null,
  };
}

/** Along the common normal when there is one; otherwise by instance number, then frame. */
function inSpace(images: ImageRef[]): ImageRef[] {
  const byNumber = (a: ImageRef, b: ImageRef): number =>
    (a.instance ?? Number.MAX_SAFE_INTEGER) - (b.instance ?? Number.MAX_SAFE_INTEGER) || a.frame - b.frame;
  const first = images[0]?.plane;
  if (!first) return [...images].sort(byNumber);
  const normal = normalOf(first);
  const depths = new Map<ImageRef, number>();
  for (const image of images) {
    if (!image.plane || dot(normalOf(image.plane), normal) < 0.999) return [...images].sort(byNumber);
    depths.set(image, dot(image.plane.position, normal));
  }
  const depth = (image: ImageRef): number => depths.get(image) ?? 0;
  const places = new Set([...depths.values()].map((d) => Math.round(d * 100)));
  // Several images at one place (phases, echoes, a cine): their own order is the meaningful one.
  if (places.size < images.length) return [...images].sort(byNumber);
  const sorted = [...images].sort((a, b) => depth(a) - depth(b));
  // Head first for axial stacks, as people are used to; otherwise in the order of the numbers.
  const head = Math.abs(normal[2]) > 0.7;
  const z = (image: ImageRef): number => image.plane?.position[2] ?? 0;
  const last = sorted.at(-1) as ImageRef;
  const start = sorted[0] as ImageRef;
  const turn = head ? z(start) < z(last) : byNumber(start, last) > 0;
  return turn ? sorted.reverse() : sorted;
}
