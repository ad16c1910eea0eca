/** One viewport: an image, its corners, its scroll bar, and what is said when there is no image. */

import type { Manifest, ViewportPreset, Window } from './contract';
import {
  ENGINE,
  Enums,
  GROUP,
  type RenderingEngineLike,
  type StackViewport,
  ToolGroupManager,
  type Types,
  utilities,
} from './cornerstone';
import { describeDocument } from './document';
import { clamp, debounce, eachFrame, h, svg } from './dom';
import { direction, intersection, normalOf, type Plane, toImage, type Vector } from './geometry';
import type { Loader } from './loader';
import { drawScrollbar } from './scrollbar';
import { type ImageRef, reasonOf, type Series } from './series';
import { number, t } from './text';

export interface PaneHost {
  readonly manifest: Manifest;
  readonly rendering: RenderingEngineLike;
  readonly loader: Loader;
  readonly showCorners: boolean;
  /** Another image is on screen. `moved`: by the person in this viewport, not by a link. */
  imageShown(pane: Pane, moved: boolean): void;
  windowChanged(pane: Pane): void;
  cameraChanged(pane: Pane): void;
  seriesReady(pane: Pane, series: Series): void;
  activate(pane: Pane): void;
  dropped(pane: Pane, seriesUid: string): void;
  doubleClicked(pane: Pane): void;
}

const CORNERS = ['tl', 'tr', 'bl', 'br'] as const;
type Corner = (typeof CORNERS)[number];
const SLOW = 180;

export class Pane {
  readonly root: HTMLElement;
  readonly element: HTMLDivElement;
  readonly lines: SVGSVGElement;
  series: Series | null = null;
  /** Where the person is in the stack; the image on screen follows as soon as its pixels are here. */
  index = 0;
  /** Index of the image that is really drawn; -1 when none is. */
  drawn = -1;
  playing = 0;
  ready: Promise<void> = Promise.resolve();

  private readonly corners = {} as Record<Corner, HTMLElement>;
  private readonly sides = {} as Record<'left' | 'right' | 'top' | 'bottom', HTMLElement>;
  private readonly scale: HTMLElement;
  private readonly bar: HTMLCanvasElement;
  private readonly status: HTMLElement;
  private readonly document: HTMLElement;
  private enabled = false;
  private attempt = 0;
  private pendingScroll = 0;
  private moved = false;
  private readonly refreshSoon = eachFrame(() => this.refresh());
  private readonly resizeSoon = debounce(() => this.resize(), 60);
  private readonly observer = new ResizeObserver(() => this.resizeSoon());

  constructor(
    readonly id: string,
    readonly host: PaneHost,
  ) {
    this.element = h('div', { class: 'pane-image' });
    this.lines = svg('svg', { class: 'pane-lines', 'aria-hidden': 'true' });
    this.scale = h('div', { class: 'pane-scale', 'aria-hidden': 'true', hidden: true }, h('span'));
    this.bar = h('canvas', { class: 'pane-bar', 'aria-hidden': 'true' });
    this.status = h('div', { class: 'pane-status', hidden: true, role: 'status' });
    this.document = h('div', { class: 'pane-document', hidden: true, tabindex: 0 });
    this.root = h(
      'section',
      { class: 'pane', tabindex: 0, 'data-pane': id, 'aria-roledescription': t('viewport') },
      this.element,
      this.lines as unknown as HTMLElement,
      this.scale,
      this.document,
    );
    for (const corner of CORNERS) {
      this.corners[corner] = h('div', { class: `pane-corner pane-${corner}`, 'aria-hidden': 'true' });
      this.root.append(this.corners[corner]);
    }
    for (const side of ['left', 'right', 'top', 'bottom'] as const) {
      this.sides[side] = h('span', { class: `pane-side pane-${side}`, 'aria-hidden': 'true' });
      this.root.append(this.sides[side]);
    }
    this.root.append(this.bar, this.status);
    this.listen();
    this.observer.observe(this.root);
  }

  get viewport(): StackViewport | null {
    return this.enabled ? (this.host.rendering.getViewport(this.id) as StackViewport) : null;
  }

  get image(): ImageRef | null {
    return this.series?.images[this.index] ?? null;
  }

  get plane(): Plane | null {
    return this.image?.plane ?? null;
  }

  private listen(): void {
    this.element.addEventListener('contextmenu', (event) => event.preventDefault());
    this.root.addEventListener('pointerdown', () => this.host.activate(this), { capture: true });
    this.root.addEventListener('focus', () => this.host.activate(this));
    this.element.addEventListener('dblclick', () => this.host.doubleClicked(this));
    this.element.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    const events = Enums.Events;
    this.element.addEventListener(events.IMAGE_RENDERED, () => this.refreshSoon());
    this.element.addEventListener(events.VOI_MODIFIED, () => {
      this.refreshSoon();
      this.host.windowChanged(this);
    });
    this.element.addEventListener(events.CAMERA_MODIFIED, () => {
      this.refreshSoon();
      this.host.cameraChanged(this);
    });
    this.bar.addEventListener('pointerdown', (event) => {
      this.bar.setPointerCapture(event.pointerId);
      this.jumpToBar(event);
    });
    this.bar.addEventListener('pointermove', (event) => {
      if (event.buttons & 1) this.jumpToBar(event);
    });
    this.root.addEventListener('dragover', (event) => {
      if (!event.dataTransfer?.types.includes('application/x-pacsweb-series')) return;
      event.preventDefault();
      this.root.classList.add('is-target');
    });
    this.root.addEventListener('dragleave', () => this.root.classList.remove('is-target'));
    this.root.addEventListener('drop', (event) => {
      this.root.classList.remove('is-target');
      const uid = event.dataTransfer?.getData('application/x-pacsweb-series');
      if (!uid) return;
      event.preventDefault();
      this.host.dropped(this, uid);
    });
  }

  private jumpToBar(event: PointerEvent): void {
    if (!this.series) return;
    const box = this.bar.getBoundingClientRect();
    const part = clamp((event.clientY - box.top) / Math.max(1, box.height), 0, 1);
    void this.goTo(Math.round(part * (this.series.images.length - 1)), { moved: true });
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    this.host.activate(this);
    if (event.ctrlKey || event.metaKey) {
      this.zoomBy(Math.exp(-event.deltaY / 400));
      return;
    }
    // A mouse wheel says ±100 or more a notch, a track pad many small numbers: both move one slice per notch.
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 60 : 1;
    const notch = Math.abs(event.deltaY) >= 60 || event.deltaMode !== WheelEvent.DOM_DELTA_PIXEL;
    this.pendingScroll = notch ? Math.sign(event.deltaY) : this.pendingScroll + event.deltaY / unit;
    const steps = Math.trunc(this.pendingScroll);
    if (!steps) return;
    this.pendingScroll = notch ? 0 : this.pendingScroll - steps;
    this.scrollBy(steps);
  }

  /** Show a series; resolves when its first image is drawn, or its document or message is. */
  show(series: Series, preset: Partial<ViewportPreset> = {}): Promise<void> {
    this.attempt += 1;
    this.stop();
    this.ready = this.open(series, preset, this.attempt);
    return this.ready;
  }

  private async open(series: Series, preset: Partial<ViewportPreset>, attempt: number): Promise<void> {
    this.series = series;
    this.index = 0;
    this.drawn = -1;
    this.document.hidden = true;
    this.root.classList.remove('has-image');
    this.say(t('Loading series…'), 'busy');
    try {
      await series.load();
    } catch (error) {
      if (attempt === this.attempt) this.say(series.error || reasonOf(error), 'error', () => this.show(series, preset));
      return;
    }
    if (attempt !== this.attempt) return;
    this.host.seriesReady(this, series);
    if (!series.drawable) {
      this.showDocument(series);
      return;
    }
    const index = this.startIndex(series, preset);
    this.index = index;
    this.refresh();
    await this.draw(index, attempt, preset);
  }

  private startIndex(series: Series, preset: Partial<ViewportPreset>): number {
    const last = series.images.length - 1;
    if (preset.sop) {
      const found = series.indexOf(preset.sop, preset.frame ?? 1);
      if (found >= 0) return found;
    }
    if (typeof preset.slice === 'number') return clamp(Math.round(preset.slice), 0, last);
    if (preset.slice === 'first') return 0;
    if (preset.slice === 'last') return last;
    // A clip starts at its beginning, a volume in its middle.
    const clip = series.images[0]?.frameTime && !series.images[0]?.plane;
    return clip ? 0 : Math.floor(last / 2);
  }

  private async draw(index: number, attempt: number, preset: Partial<ViewportPreset>): Promise<void> {
    const { series } = this;
    const image = series?.images[index];
    if (!series || !image) return;
    try {
      await this.host.loader.load(series, image);
    } catch (error) {
      if (attempt === this.attempt) this.fail(error);
      this.host.loader.refill();
      return;
    }
    if (attempt !== this.attempt || this.index !== index) return;
    this.enable();
    const viewport = this.viewport;
    if (!viewport) return;
    await viewport.setStack(
      series.images.map((i) => i.id),
      index,
    );
    if (attempt !== this.attempt) return;
    if (preset.window) this.setWindow(preset.window);
    if (preset.invert) this.invert();
    viewport.render();
    this.landed(index, false);
  }

  private enable(): void {
    if (this.enabled) return;
    this.host.rendering.enableElement({
      viewportId: this.id,
      type: Enums.ViewportType.STACK,
      element: this.element,
      defaultOptions: { background: [0.043, 0.051, 0.063] },
    });
    ToolGroupManager.getToolGroup(GROUP)?.addViewport(this.id, ENGINE);
    this.enabled = true;
  }

  private showDocument(series: Series): void {
    this.disable();
    this.document.replaceChildren(...describeDocument(series, this.host.manifest.overlays));
    this.document.hidden = false;
    this.hush();
    this.refresh();
    this.host.imageShown(this, false);
  }

  private disable(): void {
    if (!this.enabled) return;
    ToolGroupManager.getToolGroup(GROUP)?.removeViewports(ENGINE, this.id);
    this.host.rendering.disableElement(this.id);
    this.enabled = false;
  }

  clear(): void {
    this.attempt += 1;
    this.stop();
    this.series = null;
    this.index = 0;
    this.drawn = -1;
    this.disable();
    this.document.hidden = true;
    this.root.classList.remove('has-image');
    const none = this.host.manifest.studies.every((study) => study.series.length === 0);
    this.say(none ? t('There are no images to show.') : t('Drag a series here, or choose one from the list.'), 'empty');
    this.refresh();
  }

  destroy(): void {
    this.attempt += 1;
    this.stop();
    this.observer.disconnect();
    this.resizeSoon.cancel();
    this.disable();
    this.root.remove();
  }

  scrollBy(delta: number, options: { loop?: boolean } = {}): void {
    const count = this.series?.images.length ?? 0;
    if (!count) return;
    const target = this.index + delta;
    const index = options.loop ? (target + count) % count : clamp(target, 0, count - 1);
    if (index !== this.index) void this.goTo(index, { moved: true });
  }

  /** Bring one image of the stack on screen. */
  async goTo(index: number, options: { moved: boolean } = { moved: false }): Promise<void> {
    const { series } = this;
    const image = series?.images[index];
    if (!series || !image) return;
    if (this.drawn === index && this.index === index) return;
    this.index = index;
    this.moved = options.moved;
    this.refreshSoon();
    if (this.drawn < 0 && !this.enabled) {
      await this.draw(index, this.attempt, {});
      return;
    }
    const slow = window.setTimeout(() => {
      if (this.index === index && this.drawn !== index) this.say(t('Loading image…'), 'busy');
    }, SLOW);
    const { attempt } = this;
    try {
      await this.host.loader.load(series, image);
    } catch (error) {
      if (this.index === index && attempt === this.attempt) this.fail(error);
      return;
    } finally {
      window.clearTimeout(slow);
    }
    if (this.index !== index || attempt !== this.attempt) return;
    const viewport = this.viewport;
    if (!viewport) return;
    await viewport.setImageIdIndex(index);
    if (this.index !== index || attempt !== this.attempt) return;
    viewport.render();
    this.landed(index, this.moved);
  }

  private landed(index: number, moved: boolean): void {
    this.drawn = index;
    this.root.classList.add('has-image');
    this.hush();
    this.refreshSoon();
    this.host.imageShown(this, moved);
    this.host.loader.refill();
  }

  private fail(error: unknown): void {
    this.drawn = -1;
    this.root.classList.remove('has-image');
    const index = this.index;
    this.say(reasonOf((error as { cause?: unknown }).cause ?? error), 'error', () => {
      if (this.series?.images[index]) this.series.failed.delete((this.series.images[index] as ImageRef).id);
      this.drawn = -2;
      void this.goTo(index, { moved: true });
    });
    this.refreshSoon();
    this.host.imageShown(this, this.moved);
  }

  private say(message: string, kind: 'busy' | 'error' | 'empty', retry?: () => unknown): void {
    this.status.hidden = false;
    this.status.className = `pane-status is-${kind}`;
    this.status.replaceChildren(
      kind === 'busy' ? h('span', { class: 'spinner', 'aria-hidden': 'true' }) : '',
      h('span', {}, message),
    );
    if (retry) {
      this.status.append(
        h('button', { type: 'button', class: 'v-button', onclick: () => void retry() }, t('Try again')),
      );
    }
  }

  private hush(): void {
    this.status.hidden = true;
    this.status.replaceChildren();
  }

  /** Ask again for an image that failed. */
  retry(): void {
    if (this.series?.loading === 'failed') void this.show(this.series);
    else if (this.series && this.drawn < 0 && this.series.drawable) void this.goTo(this.index);
  }

  // — window —

  get window(): Window | null {
    const range = this.viewport?.getProperties().voiRange;
    if (!range || this.drawn < 0) return null;
    const { windowWidth, windowCenter } = utilities.windowLevel.toWindowLevel(range.lower, range.upper);
    return { center: windowCenter, width: windowWidth };
  }

  setWindow({ center, width }: Window): void {
    const viewport = this.viewport;
    if (!viewport || !(width > 0)) return;
    viewport.setProperties({ voiRange: utilities.windowLevel.toLowHighRange(width, center) });
    viewport.render();
  }

  /** Show every value there is in the image, or (`spread`) all but its extreme percents. */
  windowFromPixels(spread: number): void {
    const csImage = this.viewport?.getCornerstoneImage();
    if (!csImage || csImage.color) return;
    let low = csImage.minPixelValue;
    let high = csImage.maxPixelValue;
    if (spread > 0) {
      const pixels = csImage.voxelManager?.getScalarData() ?? csImage.getPixelData();
      const step = Math.max(1, Math.floor(pixels.length / 40_000));
      const sample: number[] = [];
      for (let i = 0; i < pixels.length; i += step) sample.push(pixels[i] as number);
      sample.sort((a, b) => a - b);
      low = sample[Math.floor(sample.length * spread)] ?? low;
      high = sample[Math.ceil(sample.length * (1 - spread)) - 1] ?? high;
    }
    if (high <= low) high = low + 1;
    this.setWindow({ center: (low + high) / 2, width: high - low });
  }

  get inverted(): boolean {
    return Boolean(this.viewport?.getProperties().invert);
  }

  invert(): void {
    const viewport = this.viewport;
    if (!viewport) return;
    viewport.setProperties({ invert: !viewport.getProperties().invert });
    viewport.render();
    this.refreshSoon();
  }

  smooth(on: boolean): void {
    const viewport = this.viewport;
    if (!viewport) return;
    viewport.setProperties({
      interpolationType: on ? Enums.InterpolationType.LINEAR : Enums.InterpolationType.NEAREST,
    });
    viewport.render();
  }

  // — camera —

  get zoom(): number {
    return this.viewport?.getZoom() ?? 1;
  }

  zoomBy(factor: number): void {
    const viewport = this.viewport;
    if (!viewport || this.drawn < 0) return;
    viewport.setZoom(clamp(viewport.getZoom() * factor, 0.1, 60));
    viewport.render();
  }

  panBy(x: number, y: number): void {
    const viewport = this.viewport;
    if (!viewport || this.drawn < 0) return;
    const [px, py] = viewport.getPan();
    viewport.setPan([px + x, py + y]);
    viewport.render();
  }

  fit(): void {
    const viewport = this.viewport;
    if (!viewport) return;
    viewport.resetCamera({ resetPan: true, resetZoom: true });
    viewport.render();
  }

  /** One image pixel on one pixel of the screen. */
  actualSize(): void {
    const size = this.pixelSize();
    if (size) this.zoomBy(1 / (size * (window.devicePixelRatio || 1)));
  }

  rotate(degrees: number): void {
    const viewport = this.viewport;
    if (!viewport) return;
    const { rotation = 0 } = viewport.getViewPresentation();
    viewport.setViewPresentation({ rotation: (((rotation + degrees) % 360) + 360) % 360 });
    viewport.render();
  }

  flip(axis: 'horizontal' | 'vertical'): void {
    const viewport = this.viewport;
    if (!viewport) return;
    const now = viewport.getViewPresentation();
    viewport.setViewPresentation(
      axis === 'horizontal' ? { flipHorizontal: !now.flipHorizontal } : { flipVertical: !now.flipVertical },
    );
    viewport.render();
  }

  /** Everything back to how the image came. */
  reset(): void {
    const viewport = this.viewport;
    if (!viewport || this.drawn < 0) return;
    const { drawn } = this;
    viewport.setViewPresentation({ rotation: 0, flipHorizontal: false, flipVertical: false });
    viewport.resetProperties();
    viewport.resetCamera({ resetPan: true, resetZoom: true });
    viewport.render();
    this.drawn = drawn;
    this.refreshSoon();
  }

  private resize(): void {
    if (!this.enabled) return;
    this.host.rendering.resize(true, true);
    this.refreshSoon();
  }

  // — places —

  /** Image pixel → pixel of the pane; null while there is no image. */
  onScreen(point: [number, number]): [number, number] | null {
    const data = this.viewport?.getImageData();
    if (!data || this.drawn < 0) return null;
    const world = data.imageData.indexToWorld?.([point[0], point[1], 0] as never) as Types.Point3;
    return this.viewport?.worldToCanvas([world[0], world[1], world[2]]) ?? null;
  }

  atScreen(point: [number, number]): [number, number] | null {
    const data = this.viewport?.getImageData();
    if (!data || this.drawn < 0) return null;
    const world = this.viewport?.canvasToWorld(point);
    const index = data.imageData.worldToIndex?.(world as never) as number[];
    return [index[0] as number, index[1] as number];
  }

  /** Width of an image pixel on screen, in CSS pixels. */
  pixelSize(): number | null {
    const a = this.onScreen([0, 0]);
    const b = this.onScreen([1, 0]);
    return a && b ? Math.hypot(b[0] - a[0], b[1] - a[1]) : null;
  }

  /** The part of the image that is on screen, in image pixels: left, top, right, bottom. */
  visibleRect(): [number, number, number, number] | null {
    const { image } = this;
    const { clientWidth, clientHeight } = this.element;
    const corners = [
      this.atScreen([0, 0]),
      this.atScreen([clientWidth, 0]),
      this.atScreen([clientWidth, clientHeight]),
      this.atScreen([0, clientHeight]),
    ];
    if (!image || corners.some((c) => !c)) return null;
    const xs = corners.map((c) => (c as [number, number])[0]);
    const ys = corners.map((c) => (c as [number, number])[1]);
    return [
      clamp(Math.min(...xs), -0.5, image.columns - 0.5),
      clamp(Math.min(...ys), -0.5, image.rows - 0.5),
      clamp(Math.max(...xs), -0.5, image.columns - 0.5),
      clamp(Math.max(...ys), -0.5, image.rows - 0.5),
    ];
  }

  // — corners, sides, scale, bar —

  refresh(): void {
    const { series, image } = this;
    const shown = series?.drawable ? image : null;
    this.element.dataset['slices'] = String(series?.images.length ?? 1);
    this.root.setAttribute('aria-label', this.description());
    this.root.classList.toggle('no-corners', !this.host.showCorners);
    this.corners.tl.replaceChildren(...rows(this.topLeft(shown)));
    this.corners.tr.replaceChildren(...rows(this.topRight(shown)));
    this.corners.bl.replaceChildren(...rows(this.bottomLeft(shown)));
    this.corners.br.replaceChildren(...rows(this.bottomRight(shown)));
    this.refreshSides();
    this.refreshScale();
    drawScrollbar(this.bar, series, this.index);
  }

  description(): string {
    const { series, image } = this;
    if (!series) return t('Empty viewport');
    const name = seriesName(series, this.host.manifest.overlays.descriptions);
    if (!image) return name;
    return t('{series}, image {index} of {count}', {
      series: name,
      index: this.index + 1,
      count: series.images.length,
    });
  }

  private topLeft(image: ImageRef | null): (string | null)[] {
    const { patient, overlays } = this.host.manifest;
    if (!this.series) return [];
    const born = patient ? [patient.birth_date, patient.sex, patient.age].filter(Boolean).join('  ') : '';
    return [
      patient?.name || null,
      patient?.patient_id || null,
      born || null,
      overlays.institution ? image?.institution || null : null,
    ];
  }

  private topRight(image: ImageRef | null): (string | null)[] {
    const { series } = this;
    if (!series) return [];
    const { overlays } = this.host.manifest;
    return [
      [series.modality, series.entry.number === null ? '' : t('Series {n}', { n: series.entry.number })]
        .filter(Boolean)
        .join('  '),
      overlays.descriptions ? series.entry.description || null : null,
      series.study.prior ? t('Prior') : null,
      overlays.dates ? dicomDate(series.study.date || image?.date || '') : null,
    ];
  }

  private bottomLeft(image: ImageRef | null): (string | null)[] {
    const { series } = this;
    if (!image || !series) return [];
    const place = this.place(image);
    const thick = image.thickness ? t('{mm} mm thick', { mm: number(image.thickness, 2) }) : '';
    return [
      image.lossy || null,
      image.spacingNote && !image.spacing ? t('No pixel spacing: lengths in pixels') : null,
      image.spacing && image.spacingNote ? t('Spacing {where}', { where: image.spacingNote }) : null,
      [place, thick].filter(Boolean).join('  ') || null,
      t('Image {index} / {count}', { index: this.index + 1, count: series.images.length }),
    ];
  }

  private place(image: ImageRef): string {
    if (image.plane) {
      const normal = normalOf(image.plane);
      const axis = [0, 1, 2].sort((a, b) => Math.abs(normal[b] as number) - Math.abs(normal[a] as number))[0] as number;
      const value = image.plane.position[axis] as number;
      const vector: Vector = [0, 0, 0];
      vector[axis] = value;
      const letter =
        Math.abs(value) < 0.005 ? '' : direction([Math.sign(vector[0]), Math.sign(vector[1]), Math.sign(vector[2])]);
      return `${letter}${letter ? ' ' : ''}${number(Math.abs(value), 1)} mm`;
    }
    return image.location === null ? '' : `${number(image.location, 1)} mm`;
  }

  private bottomRight(image: ImageRef | null): (string | null)[] {
    if (!image || this.drawn < 0) return [];
    const size = this.pixelSize();
    const window = this.window;
    const color = Boolean(this.viewport?.getCornerstoneImage()?.color);
    const digits = window && window.width < 10 ? 2 : 0;
    return [
      size ? t('Zoom {percent} %', { percent: Math.round(size * 100 * (globalThis.devicePixelRatio || 1)) }) : null,
      window && !color ? `W ${number(window.width, digits)}  L ${number(window.center, digits)}` : null,
    ];
  }

  private refreshSides(): void {
    const viewport = this.viewport;
    const { plane } = this;
    const clear = (): void => {
      for (const side of Object.values(this.sides)) side.textContent = '';
    };
    if (!viewport || this.drawn < 0 || !plane || !this.image?.frameOfReference) {
      clear();
      return;
    }
    const { viewUp, viewPlaneNormal } = viewport.getCamera();
    const origin = this.onScreen([0, 0]);
    const right = this.onScreen([1, 0]);
    const down = this.onScreen([0, 1]);
    if (!viewUp || !viewPlaneNormal || !origin || !right || !down) {
      clear();
      return;
    }
    // Which way the image's own axes run on screen decides the letters: true for turned and mirrored images too.
    const ax: [number, number] = [right[0] - origin[0], right[1] - origin[1]];
    const ay: [number, number] = [down[0] - origin[0], down[1] - origin[1]];
    const towards = (x: number, y: number): Vector => {
      const u = (x * ax[0] + y * ax[1]) / Math.hypot(...ax);
      const v = (x * ay[0] + y * ay[1]) / Math.hypot(...ay);
      return [0, 1, 2].map((i) => u * (plane.row[i] as number) + v * (plane.column[i] as number)) as Vector;
    };
    this.sides.left.textContent = direction(towards(-1, 0));
    this.sides.right.textContent = direction(towards(1, 0));
    this.sides.top.textContent = direction(towards(0, -1));
    this.sides.bottom.textContent = direction(towards(0, 1));
  }

  private refreshScale(): void {
    const size = this.pixelSize();
    const spacing = this.image?.spacing;
    if (!size || !spacing || this.drawn < 0) {
      this.scale.hidden = true;
      return;
    }
    const perMm = size / spacing[1];
    const room = this.element.clientHeight * 0.34;
    const mm = [500, 200, 100, 50, 20, 10, 5, 2, 1].find((step) => step * perMm <= room);
    this.scale.hidden = !mm;
    if (!mm) return;
    this.scale.style.setProperty('--length', `${(mm * perMm).toFixed(1)}px`);
    (this.scale.firstElementChild as HTMLElement).textContent = mm >= 10 ? `${mm / 10} cm` : `${mm} mm`;
  }

  /** Lines of the other planes and the shared point, drawn over this image. */
  drawLines(sources: { image: ImageRef; plane: Plane; active: boolean }[], point: Vector | null): void {
    const shapes: SVGElement[] = [];
    const { plane, image } = this;
    if (plane && image && this.drawn >= 0) {
      for (const source of sources) {
        const line = intersection(source.plane, [source.image.columns, source.image.rows], plane);
        const a = line && this.onScreen(line[0]);
        const b = line && this.onScreen(line[1]);
        if (!a || !b) continue;
        shapes.push(
          svg('line', {
            x1: a[0].toFixed(1),
            y1: a[1].toFixed(1),
            x2: b[0].toFixed(1),
            y2: b[1].toFixed(1),
            class: source.active ? 'is-active' : '',
          }),
        );
      }
      const at = point && this.onScreen(toImage(plane, point));
      if (at) {
        const [x, y] = at;
        shapes.push(svg('path', { d: `M${x - 14} ${y}h10m8 0h10M${x} ${y - 14}v10m0 8v10`, class: 'is-point' }));
      }
    }
    this.lines.replaceChildren(...shapes);
  }

  // — cine —

  play(framesPerSecond: number): void {
    this.stop();
    if (!this.series || this.series.images.length < 2) return;
    let last = performance.now();
    let carry = 0;
    const step = (now: number): void => {
      this.playing = requestAnimationFrame(step);
      carry += ((now - last) * framesPerSecond) / 1000;
      last = now;
      // Never ahead of the pixels: a slow network slows the clip instead of skipping it.
      if (carry < 1 || this.drawn !== this.index) {
        carry = Math.min(carry, 1);
        return;
      }
      const frames = Math.floor(carry);
      carry -= frames;
      this.scrollBy(frames, { loop: true });
    };
    this.playing = requestAnimationFrame(step);
    this.root.classList.add('is-playing');
  }

  stop(): void {
    if (this.playing) cancelAnimationFrame(this.playing);
    this.playing = 0;
    this.root?.classList.remove('is-playing');
  }

  /** The image as it stands, marks included, without corners. */
  async picture(): Promise<Blob | null> {
    const viewport = this.viewport;
    if (!viewport || this.drawn < 0) return null;
    const source = viewport.getCanvas();
    const canvas = h('canvas', { width: source.width, height: source.height });
    const context = canvas.getContext('2d');
    if (!context) return null;
    context.drawImage(source, 0, 0);
    const layer = this.element.querySelector('svg.svg-layer');
    if (layer) {
      const copy = layer.cloneNode(true) as SVGSVGElement;
      copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
      copy.setAttribute('width', String(this.element.clientWidth));
      copy.setAttribute('height', String(this.element.clientHeight));
      const picture = new Image();
      picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
      await picture.decode();
      context.drawImage(picture, 0, 0, source.width, source.height);
    }
    return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
  }
}

function rows(lines: (string | null)[]): HTMLElement[] {
  return lines.filter((line): line is string => Boolean(line)).map((line) => h('div', {}, line));
}

export function seriesName(series: Series, descriptions: boolean): string {
  const { number: n, description, modality } = series.entry;
  const label = n === null ? t('Series') : t('Series {n}', { n });
  return [label, modality, descriptions ? description : ''].filter(Boolean).join(' · ');
}

/** DICOM date (YYYYMMDD) or ISO date as ISO. */
export function dicomDate(value: string): string {
  return /^\d{8}$/.test(value) ? `${value.slice(0, 4)}-${value.slice(4, 6)}-${value.slice(6)}` : value;
}
