/** How an image lies in its viewport: its window, its camera, and where its pixels are on screen. */

import type { Window } from './contract';
import { Enums, type StackViewport, type Types, utilities } from './cornerstone';
import { clamp } from './dom';
import type { ImageRef } from './series';

export abstract class View {
  abstract readonly element: HTMLDivElement;
  /** Index of the image that is really drawn; negative when none is. */
  abstract drawn: number;
  abstract get viewport(): StackViewport | null;
  abstract get image(): ImageRef | null;
  protected abstract refreshSoon(): void;

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
