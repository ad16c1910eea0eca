/** One viewport: an image, its corners, its scroll bar, and what is said when there is no image. */

import type { Manifest, ViewportPreset } from './contract';
import { ENGINE, Enums, GROUP, type RenderingEngineLike, type StackViewport, ToolGroupManager } from './cornerstone';
import { describeDocument } from './document';
import { clamp, debounce, eachFrame, h } from './dom';
import { type Look, lookOf } from './dressing';
import type { Plane } from './geometry';
import type { Loader } from './loader';
import { Overlay } from './overlay';
import { drawScrollbar } from './scrollbar';
import { type ImageRef, isFinal, reasonOf, type Series } from './series';
import { t } from './text';
import { View } from './view';

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

const SLOW = 180;

export class Pane extends View {
  readonly root: HTMLElement;
  readonly element: HTMLDivElement;
  readonly overlay: Overlay;
  series: Series | null = null;
  /** Where the person is in the stack; the image on screen follows as soon as its pixels are here. */
  index = 0;
  /** Index of the image that is really drawn; -1 when none is. */
  drawn = -1;
  playing = 0;
  ready: Promise<void> = Promise.resolve();

  private readonly bar: HTMLCanvasElement;
  private readonly status: HTMLElement;
  private readonly document: HTMLElement;
  private enabled = false;
  private attempt = 0;
  private pendingScroll = 0;
  private moved = false;
  private readonly refreshNextFrame = eachFrame(() => this.refresh());
  private readonly resizeSoon = debounce(() => this.resize(), 60);
  private readonly observer = new ResizeObserver(() => this.resizeSoon());

  constructor(
    readonly id: string,
    readonly host: PaneHost,
  ) {
    super();
    this.element = h('div', { class: 'pane-image' });
    this.overlay = new Overlay(this);
    this.bar = h('canvas', { class: 'pane-bar', 'aria-hidden': 'true' });
    this.status = h('div', { class: 'pane-status', hidden: true, role: 'status' });
    this.document = h('div', { class: 'pane-document', hidden: true, tabindex: 0 });
    this.root = h('section', { class: 'pane', tabindex: 0, 'data-pane': id, 'aria-roledescription': t('viewport') });
    this.root.append(this.element, ...this.overlay.elements, this.document, this.bar, this.status);
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

  protected override get look(): Look | null {
    const drawn = this.viewport?.getCurrentImageId();
    return drawn ? lookOf(drawn) : null;
  }

  protected override refreshSoon(): void {
    this.refreshNextFrame();
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
      this.windowMoved();
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
    // One viewport for each series: no window, no turn and no broken camera of an earlier one comes along.
    this.disable();
    this.forgetChoices();
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
    const ids = series.images.map((i) => i.id);
    await this.quietly(() => viewport.setStack(ids, index));
    if (attempt !== this.attempt) return;
    this.dress();
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
    if (!viewport || !isSound(viewport)) {
      await this.draw(index, attempt, {});
      return;
    }
    await this.quietly(() => viewport.setImageIdIndex(index));
    if (this.index !== index || attempt !== this.attempt) return;
    this.dress();
    this.keepPose();
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
    const cause = (error as { cause?: unknown }).cause ?? error;
    const again = (): void => {
      if (this.series?.images[index]) this.series.failed.delete((this.series.images[index] as ImageRef).id);
      this.drawn = -2;
      void this.goTo(index, { moved: true });
    };
    this.say(reasonOf(cause), 'error', isFinal(cause) ? undefined : again);
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

  private resize(): void {
    if (!this.enabled) return;
    this.host.rendering.resize(true, true);
    this.refreshSoon();
  }

  refresh(): void {
    this.element.dataset['slices'] = String(this.series?.images.length ?? 1);
    this.root.setAttribute('aria-label', this.description());
    this.root.classList.toggle('no-corners', !this.host.showCorners);
    this.overlay.refresh();
    drawScrollbar(this.bar, this.series, this.index);
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
}

/** Whether the camera still looks somewhere: one place that is no number spoils it for every image after. */
function isSound(viewport: StackViewport): boolean {
  const { focalPoint, position, parallelScale } = viewport.getCamera();
  return [...(focalPoint ?? []), ...(position ?? []), parallelScale ?? 1].every((n) => Number.isFinite(n));
}

export function seriesName(series: Series, descriptions: boolean): string {
  const { number: n, description, modality } = series.entry;
  const label = n === null ? t('Series') : t('Series {n}', { n });
  return [label, modality, descriptions ? description : ''].filter(Boolean).join(' · ');
}
