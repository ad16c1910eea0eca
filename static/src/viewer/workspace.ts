/** The grid of viewports: layout, the active one, and what links them. */

import type { Manifest, Mark, ViewportPreset, Window } from './contract';
import { type Engine, gestures, annotation as library, type RenderingEngineLike, type Types } from './cornerstone';
import { clamp, eachFrame } from './dom';
import { type Plane, parallel, type Vector } from './geometry';
import { Loader } from './loader';
import { Pane, type PaneHost } from './pane';
import { type ImageRef, Series } from './series';

export interface Links {
  scroll: boolean;
  window: boolean;
  camera: boolean;
}

export class Workspace implements PaneHost {
  readonly loader = new Loader();
  readonly rendering: RenderingEngineLike;
  readonly panes: Pane[] = [];
  readonly series = new Map<string, Series>();
  active: Pane | null = null;
  rows = 1;
  columns = 1;
  showCorners = true;
  showLines = true;
  smooth = true;
  links: Links = { scroll: false, window: false, camera: false };
  framesPerSecond = 15;

  isMarking: () => boolean = () => false;
  /** Viewports are about to come and go. */
  onArrange: () => void = () => {};
  onActive: () => void = () => {};
  onImage: (pane: Pane) => void = () => {};
  onLook: (pane: Pane) => void = () => {};
  onWindow: (pane: Pane) => void = () => {};
  onSeries: (series: Series) => void = () => {};
  onLayout: () => void = () => {};

  private point: Vector | null = null;
  private linking = false;
  private made = 0;
  private maximised: { rows: number; columns: number; shown: Series[] } | null = null;
  private readonly images = new Map<string, ImageRef>();
  private readonly linesSoon = eachFrame(() => this.drawLines());

  constructor(
    readonly root: HTMLElement,
    public manifest: Manifest,
    engine: Engine,
  ) {
    this.rendering = engine.rendering;
    this.adopt(manifest);
    this.loader.visible = () => this.byImportance();
    this.loader.others = () =>
      [...this.series.values()]
        .filter((s) => s.loading === 'ready' && s.drawable)
        .sort((a, b) => a.entry.priority - b.entry.priority);
    this.loader.onChange = (series) => {
      for (const pane of this.panes) if (pane.series === series) pane.refresh();
      this.onSeries(series);
    };
    gestures.scroll = (id, delta) => this.panes.find((pane) => pane.id === id)?.scrollBy(delta);
    gestures.point = (id, world) => this.pointAt(id, world);
  }

  /** Know the series of a manifest; those known already keep their images. */
  adopt(manifest: Manifest): void {
    this.manifest = manifest;
    for (const study of manifest.studies)
      for (const entry of study.series)
        if (!this.series.has(entry.uid)) this.series.set(entry.uid, new Series(entry, study));
  }

  imageById(id: string): ImageRef | undefined {
    return this.images.get(id);
  }

  private byImportance(): Pane[] {
    return this.active ? [this.active, ...this.panes.filter((pane) => pane !== this.active)] : this.panes;
  }

  // — layout —

  /** Arrange `rows × columns` viewports; series stay where they are, new viewports take the next unseen ones. */
  setLayout(rows: number, columns: number, options: { fill: boolean } = { fill: true }): void {
    this.maximised = null;
    this.arrange(rows, columns);
    if (options.fill) this.fillEmpty();
    this.onLayout();
  }

  private arrange(rows: number, columns: number): void {
    this.onArrange();
    this.rows = clamp(rows, 1, 4);
    this.columns = clamp(columns, 1, 4);
    const wanted = this.rows * this.columns;
    while (this.panes.length > wanted) this.panes.pop()?.destroy();
    while (this.panes.length < wanted) {
      this.made += 1;
      const pane = new Pane(`pane-${this.made}`, this);
      this.panes.push(pane);
      this.root.append(pane.root);
      pane.clear();
    }
    this.root.style.setProperty('--rows', String(this.rows));
    this.root.style.setProperty('--columns', String(this.columns));
    this.root.classList.toggle('is-single', wanted === 1);
    if (!this.active || !this.panes.includes(this.active)) this.activate(this.panes[0] as Pane);
    this.linesSoon();
  }

  private fillEmpty(): void {
    const shown = new Set(this.panes.map((pane) => pane.series));
    const rest = [...this.series.values()].filter((s) => !shown.has(s) && s.entry.kind === 'image');
    for (const pane of this.panes) {
      if (pane.series) continue;
      const next = rest.shift();
      if (!next) return;
      void pane.show(next);
    }
  }

  /** Show the manifest's first arrangement. Resolves when the active viewport shows something. */
  async hang(): Promise<void> {
    const { layout } = this.manifest;
    this.setLayout(layout.rows, layout.columns, { fill: false });
    const first = [...this.series.values()];
    const images = first.filter((s) => s.entry.kind === 'image');
    const used = new Set<Series>();
    const work: Promise<void>[] = [];
    this.panes.forEach((pane, i) => {
      const preset: Partial<ViewportPreset> = layout.viewports[i] ?? {};
      const named = preset.series ? this.series.get(preset.series) : undefined;
      const series = named ?? images.find((s) => !used.has(s)) ?? (i === 0 ? first[0] : undefined);
      if (!series) return;
      used.add(series);
      work.push(pane.show(series, preset));
    });
    await work[0];
    this.onLayout();
    // What else there is becomes known once something is on screen.
    await Promise.all(work);
    const queue = first.filter((s) => s.loading === 'waiting').sort((a, b) => a.entry.priority - b.entry.priority);
    for (const series of queue) await this.know(series);
    this.loader.refill();
  }

  /** Read a series' metadata without showing it. */
  async know(series: Series): Promise<void> {
    try {
      await series.load();
      this.learned(series);
    } catch {
      this.onSeries(series);
    }
  }

  private learned(series: Series): void {
    for (const image of series.images) this.images.set(image.id, image);
    this.loader.adopt(series);
    this.onSeries(series);
  }

  /** One viewport alone, and back. */
  toggleMaximised(): void {
    const { active } = this;
    if (!active?.series) return;
    if (this.maximised) {
      const { rows, columns, shown } = this.maximised;
      this.maximised = null;
      this.arrange(rows, columns);
      const rest = shown.filter((s) => s !== this.panes[0]?.series);
      for (const pane of this.panes) {
        const next = pane.series ? undefined : rest.shift();
        if (next) void pane.show(next);
      }
    } else if (this.panes.length > 1) {
      const shown = this.panes.map((pane) => pane.series).filter((s): s is Series => s !== null);
      this.maximised = { rows: this.rows, columns: this.columns, shown };
      // The active viewport keeps its place, its window and its zoom.
      this.panes.splice(this.panes.indexOf(active), 1);
      this.panes.unshift(active);
      this.root.prepend(active.root);
      this.arrange(1, 1);
    }
    this.onLayout();
  }

  activate(pane: Pane): void {
    if (this.active === pane) return;
    this.active?.root.classList.remove('is-active');
    this.active = pane;
    pane.root.classList.add('is-active');
    this.linesSoon();
    this.onActive();
  }

  next(step: number): void {
    const i = this.active ? this.panes.indexOf(this.active) : 0;
    const pane = this.panes[(i + step + this.panes.length) % this.panes.length];
    pane?.root.focus();
  }

  /** Another series of the list into the active viewport. */
  nextSeries(step: number): void {
    const all = [...this.series.values()];
    const i = this.active?.series ? all.indexOf(this.active.series) : -1;
    const series = all[clamp(i + step, 0, all.length - 1)];
    if (series && series !== this.active?.series) void this.active?.show(series);
  }

  doubleClicked(pane: Pane): void {
    this.activate(pane);
    // While marks are drawn, a double click belongs to the mark.
    if (!this.isMarking()) this.toggleMaximised();
  }

  dropped(pane: Pane, seriesUid: string): void {
    const series = this.series.get(seriesUid);
    if (!series) return;
    this.activate(pane);
    void pane.show(series);
  }

  /** Bring one image on screen: where its series is shown already, else in the active viewport. */
  async goTo(place: { series: string; sop: string; frame: number }): Promise<Pane | null> {
    const series = this.series.get(place.series);
    if (!series) return null;
    const pane =
      this.active?.series === series ? this.active : (this.panes.find((p) => p.series === series) ?? this.active);
    if (!pane) return null;
    this.activate(pane);
    if (pane.series !== series) await pane.show(series, { sop: place.sop, frame: place.frame });
    else await pane.goTo(series.indexOf(place.sop, place.frame), { moved: true });
    return pane;
  }

  goToMark(mark: Mark): Promise<Pane | null> {
    return this.goTo({ series: mark.series_instance_uid, sop: mark.sop_instance_uid, frame: mark.frame });
  }

  // — what viewports report —

  seriesReady(_pane: Pane, series: Series): void {
    this.learned(series);
  }

  imageShown(pane: Pane, moved: boolean): void {
    if (moved && !this.linking) {
      if (this.links.scroll) this.follow(pane);
      if (pane === this.active) this.point = null;
    }
    if (!this.smooth) pane.smooth(false);
    this.linesSoon();
    this.onImage(pane);
    this.onLook(pane);
  }

  windowChanged(pane: Pane): void {
    if (this.linking || !this.links.window || pane !== this.active) {
      this.onWindow(pane);
      return;
    }
    const window = pane.window;
    this.together(() => {
      if (!window) return;
      for (const other of this.panes)
        if (other !== pane && other.series?.modality === pane.series?.modality) other.setWindow(window);
    });
    this.onWindow(pane);
  }

  cameraChanged(pane: Pane): void {
    this.linesSoon();
    if (this.linking || !this.links.camera || pane !== this.active) return;
    const from = pane.viewport?.getViewPresentation();
    this.together(() => {
      if (!from) return;
      for (const other of this.panes) {
        if (other === pane || other.drawn < 0) continue;
        other.viewport?.setViewPresentation({ zoom: from.zoom, pan: from.pan });
        other.viewport?.render();
      }
    });
  }

  private together(work: () => void): void {
    this.linking = true;
    try {
      work();
    } finally {
      this.linking = false;
    }
  }

  /** Linked scrolling: to the same place in the patient where planes are parallel, else by the same step. */
  private follow(pane: Pane): void {
    const { image, plane, series } = pane;
    if (!image || !series) return;
    for (const other of this.panes) {
      if (other === pane || !other.series?.drawable || other.series === series) continue;
      const same = plane && other.plane && image.frameOfReference === other.image?.frameOfReference;
      let target = -1;
      if (same && plane && other.plane) {
        if (!parallel(plane, other.plane)) continue;
        target = other.series.nearest(centreOf(image, plane));
      } else {
        const part = pane.index / Math.max(1, series.images.length - 1);
        target = Math.round(part * (other.series.images.length - 1));
      }
      if (target >= 0 && target !== other.index) void other.goTo(target);
    }
  }

  /** The point tool: every viewport of the same frame of reference goes to the slice through the point. */
  private pointAt(id: string, world: Types.Point3): void {
    const pane = this.panes.find((p) => p.id === id);
    const { image } = pane ?? {};
    if (!pane || !image?.plane) return;
    this.point = [world[0], world[1], world[2]];
    for (const other of this.panes) {
      if (other === pane || other.image?.frameOfReference !== image.frameOfReference || !other.series) continue;
      const index = other.series.nearest(this.point);
      if (index >= 0) void other.goTo(index);
    }
    this.linesSoon();
  }

  refreshLines(): void {
    this.linesSoon();
  }

  private drawLines(): void {
    for (const pane of this.panes) {
      const sources: { image: ImageRef; plane: Plane; active: boolean }[] = [];
      if (this.showLines) {
        for (const other of this.panes) {
          const { image, plane } = other;
          if (other === pane || !image || !plane || other.drawn < 0) continue;
          if (image.frameOfReference !== pane.image?.frameOfReference || !image.frameOfReference) continue;
          sources.push({ image, plane, active: other === this.active });
        }
      }
      pane.overlay.drawLines(sources, this.point);
    }
  }

  // — for all viewports —

  render(): void {
    for (const pane of this.panes) if (pane.drawn >= 0) pane.viewport?.render();
  }

  setWindow(window: Window): void {
    this.active?.setWindow(window);
  }

  setSmooth(on: boolean): void {
    this.smooth = on;
    for (const pane of this.panes) pane.smooth(on);
  }

  setCorners(on: boolean): void {
    this.showCorners = on;
    for (const pane of this.panes) pane.refresh();
  }

  retry(): void {
    this.loader.forgive();
    for (const pane of this.panes) pane.retry();
  }

  /** The keys of the viewer act on the image from here on. */
  focus(): void {
    this.active?.root.focus({ preventScroll: true });
  }

  deselect(): void {
    library.selection.deselectAnnotation();
  }
}

function centreOf(image: ImageRef, plane: Plane): Vector {
  const half: [number, number] = [
    ((image.columns - 1) / 2) * plane.spacing[1],
    ((image.rows - 1) / 2) * plane.spacing[0],
  ];
  return [0, 1, 2].map(
    (i) => (plane.position[i] as number) + (plane.row[i] as number) * half[0] + (plane.column[i] as number) * half[1],
  ) as Vector;
}
