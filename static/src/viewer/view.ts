/** How an image lies in its viewport: its window, its camera, and where its pixels are on screen. */

import type { Window } from './contract';
import { Enums, isCpu, type StackViewport, type Types } from './cornerstone';
import { edges, type WindowFunction, windowOf } from './display';
import { clamp } from './dom';
import type { Look } from './dressing';
import type { ImageRef } from './series';

export abstract class View {
  abstract readonly element: HTMLDivElement;
  /** Index of the image that is really drawn; negative when none is. */
  abstract drawn: number;
  abstract get viewport(): StackViewport | null;
  abstract get image(): ImageRef | null;
  protected abstract refreshSoon(): void;

  /** What the person chose instead of what the image asks for; it goes with the series. */
  protected chosen: (Pick<Look, 'lower' | 'upper'> & { function: WindowFunction | null }) | null = null;
  protected turned = false;
  private dressing = false;

  protected abstract get look(): Look | null;

  /** Do something that changes window and polarity without it counting as a person's choice. */
  protected async quietly<T>(work: () => Promise<T> | T): Promise<T> {
    this.dressing = true;
    try {
      return await work();
    } finally {
      this.dressing = false;
    }
  }

  /** Show the image that is drawn as it says it wants to be shown, or as the person chose. */
  protected dress(): void {
    const { viewport, look } = this;
    if (!viewport || !look) return;
    const { lower, upper } = this.chosen ?? look;
    const was = this.dressing;
    this.dressing = true;
    try {
      if (!isCpu()) viewport.setProperties({ VOILUTFunction: libraryFunction(this.windowFunction) });
      viewport.setProperties({ voiRange: { lower, upper } });
      viewport.setProperties({ invert: look.inverted !== this.turned });
    } finally {
      this.dressing = was;
    }
  }

  /** The window was changed by a tool: that counts for the other images of the series. */
  protected windowMoved(): void {
    const range = this.viewport?.getProperties().voiRange;
    if (range && this.look && !this.dressing) this.chosen = { ...range, function: this.windowFunction };
  }

  protected forgetChoices(): void {
    this.chosen = null;
    this.turned = false;
    this.pose = { turn: 0, mirrored: false };
  }

  private get windowFunction(): WindowFunction {
    return this.chosen?.function ?? this.look?.function ?? 'LINEAR';
  }

  get window(): Window | null {
    const range = this.viewport?.getProperties().voiRange;
    return range && this.drawn >= 0 ? windowOf(range, this.windowFunction) : null;
  }

  setWindow({ center, width }: Window, how: WindowFunction = 'LINEAR'): void {
    const { viewport } = this;
    if (!viewport || !this.look || !(width > 0)) return;
    const used = how === 'LINEAR' && width < 1 ? 'LINEAR_EXACT' : how;
    this.chosen = { ...edges({ center, width }, used), function: used };
    this.dress();
    viewport.render();
    this.refreshSoon();
  }

  windowAsStored(): void {
    this.chosen = null;
    this.dress();
    this.viewport?.render();
    this.refreshSoon();
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
    this.setWindow({ center: (low + high) / 2, width: high - low }, 'LINEAR_EXACT');
  }

  get inverted(): boolean {
    return Boolean(this.viewport?.getProperties().invert);
  }

  invert(): void {
    const { viewport } = this;
    if (!viewport) return;
    this.turned = !this.turned;
    if (this.look) this.dress();
    else viewport.setProperties({ invert: this.turned });
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
    this.keepPose();
    viewport.render();
  }

  /** One image pixel on one pixel of the screen. */
  actualSize(): void {
    const size = this.pixelSize();
    if (size) this.zoomBy(1 / (size * (window.devicePixelRatio || 1)));
  }

  /**
   * How the image lies on screen: mirrored left to right first, then turned clockwise. Every order of turns and mirrors
   * comes to one of these eight.
   */
  private pose = { turn: 0, mirrored: false };

  rotate(degrees: number): void {
    this.take({ turn: this.pose.turn + degrees, mirrored: this.pose.mirrored });
  }

  /** Mirror what is on screen, however it is turned. */
  flip(axis: 'horizontal' | 'vertical'): void {
    const { turn, mirrored } = this.pose;
    this.take({ turn: axis === 'horizontal' ? -turn : 180 - turn, mirrored: !mirrored });
  }

  private take({ turn, mirrored }: { turn: number; mirrored: boolean }): void {
    const { viewport } = this;
    if (!viewport || this.drawn < 0) return;
    this.pose = { turn: ((turn % 360) + 360) % 360, mirrored };
    this.lay(viewport);
    viewport.render();
    this.refreshSoon();
  }

  /** Another image of the series lies as the one before. */
  protected keepPose(): void {
    const { viewport, pose } = this;
    if (viewport && (pose.turn || pose.mirrored) && !this.liesRight()) this.lay(viewport);
  }

  private lay(viewport: StackViewport): void {
    const { turn, mirrored } = this.pose;
    const pan = viewport.getPan();
    const zoom = viewport.getZoom();
    // From the start each time: the library's own turns and mirrors do not undo each other.
    // Which way it turns a mirrored image is its own affair: what is on screen decides.
    for (const rotation of [turn, (360 - turn) % 360]) {
      viewport.resetCamera({ resetPan: true, resetZoom: true });
      if (mirrored) viewport.setViewPresentation({ flipHorizontal: true });
      if (rotation) viewport.setViewPresentation({ rotation });
      if (this.liesRight()) break;
    }
    viewport.setZoom(zoom);
    viewport.setPan(pan);
  }

  /** Whether rows and columns of the image run on screen as they should. */
  private liesRight(): boolean {
    const from = this.onScreen([0, 0]);
    const along = this.onScreen([10, 0]);
    const down = this.onScreen([0, 10]);
    if (!from || !along || !down) return true;
    const angle = (this.pose.turn * Math.PI) / 180;
    const way = this.pose.mirrored ? -1 : 1;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const across = (along[0] - from[0]) * cos * way + (along[1] - from[1]) * sin * way;
    return across > 0 && (down[1] - from[1]) * cos - (down[0] - from[0]) * sin > 0;
  }

  /** Everything back to how the image came. */
  reset(): void {
    const viewport = this.viewport;
    if (!viewport || this.drawn < 0) return;
    const { drawn } = this;
    viewport.setViewPresentation({ rotation: 0, flipHorizontal: false, flipVertical: false });
    viewport.resetCamera({ resetPan: true, resetZoom: true });
    this.forgetChoices();
    if (this.look) this.dress();
    else viewport.setProperties({ invert: false });
    viewport.render();
    this.drawn = drawn;
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
}

const libraryFunction = (name: WindowFunction) =>
  name === 'SIGMOID' ? Enums.VOILUTFunctionType.SAMPLED_SIGMOID : Enums.VOILUTFunctionType[name];
