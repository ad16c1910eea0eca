/** All marks by layer, their undo history, and their mirror in the drawing library. */

import { type Annotation, groupOf, linesOf, measurementsOf, paint, toAnnotation, toMark } from './adapter';
import type { Layer, Mark, MarkTool, Measurement } from './contract';
import { eventTarget, annotation as library, type MarkData, type TextLines, ToolEnums } from './cornerstone';
import { debounce } from './dom';
import type { ImageRef, Series } from './series';

export interface LayerState extends Omit<Layer, 'marks'> {
  marks: Map<string, Mark>;
}

const COLOURS: Record<string, string> = {
  own: '#56d3c6',
  truth: '#f0b84e',
  other: '#b9a2f7',
};
/** A verdict changes the line, never the colour: that says whose mark it is. */
const DASHES: Record<string, string> = { miss: '5,4', false: '2,3' };
const HISTORY = 200;

export function colourOf(layer: Pick<Layer, 'role'>): string {
  return COLOURS[layer.role] as string;
}

export interface MarkHost {
  series(uid: string): Series | undefined;
  imageById(id: string): ImageRef | undefined;
  render(): void;
}

/** `shaped`: moved or given another form by hand, and still under the pointer. */
export type MarkChange = 'drawn' | 'shaped' | 'changed' | 'removed' | 'loaded' | 'selected';

export class Marks {
  layers: LayerState[] = [];
  /** Question that marks drawn now belong to. */
  group = '';
  maximum: number | null = null;
  selected: string | null = null;
  onChange: (reason: MarkChange, mark: Mark | null) => void = () => {};
  onFull: () => void = () => {};

  /** Layers hidden together, to be shown together. */
  private hidden: string[] = [];
  private past: Mark[][] = [];
  private future: Mark[][] = [];
  private settled: Mark[] = [];
  private quiet = false;
  private readonly drawn = new Map<string, string>();
  private readonly idOf = new WeakMap<MarkData, string>();
  /** Marks drawn or changed since they were loaded: only their values are worth saving anew. */
  readonly touched = new Set<string>();
  private readonly settleSoon = debounce(() => this.settle(), 350);

  constructor(private readonly host: MarkHost) {
    const on = (name: string, take: (source: Annotation) => void): void => {
      eventTarget.addEventListener(name, ((event: CustomEvent<{ annotation: Annotation }>) => {
        if (!this.quiet) take(event.detail.annotation);
      }) as EventListener);
    };
    const events = ToolEnums.Events;
    on(events.ANNOTATION_COMPLETED, (source) => this.completed(source));
    on(events.ANNOTATION_MODIFIED, (source) => this.modified(source));
    on(events.ANNOTATION_REMOVED, (source) => this.removed(source));
    eventTarget.addEventListener(events.ANNOTATION_SELECTION_CHANGE, ((event: CustomEvent<{ selection: string[] }>) => {
      if (this.quiet) return;
      this.selected = event.detail.selection.at(-1) ?? null;
      this.repaint();
      this.onChange('selected', this.selected ? this.find(this.selected) : null);
    }) as EventListener);
  }

  get editable(): LayerState | null {
    return this.layers.find((layer) => layer.editable) ?? null;
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  find(id: string): Mark | null {
    for (const layer of this.layers) {
      const mark = layer.marks.get(id);
      if (mark) return mark;
    }
    return null;
  }

  layerOf(id: string): LayerState | null {
    return this.layers.find((layer) => layer.marks.has(id)) ?? null;
  }

  /** Lesions of the truth that the reader did not find. */
  missed(): Mark[] {
    const truth = this.layers.filter((layer) => layer.role === 'truth');
    return truth.flatMap((layer) => [...layer.marks.values()].filter((mark) => mark.verdict === 'miss'));
  }

  /** Marks of the editable layer as they are sent to the server. */
  own(): Mark[] {
    return [...(this.editable?.marks.values() ?? [])];
  }

  /** Take over layers from a manifest. */
  load(layers: Layer[]): void {
    this.settleSoon.cancel();
    this.touched.clear();
    this.hidden = [];
    this.layers = layers.map((layer) => ({ ...layer, marks: new Map(layer.marks.map((mark) => [mark.id, mark])) }));
    this.past = [];
    this.future = [];
    this.settled = this.own();
    this.selected = null;
    this.mirror();
    this.onChange('loaded', null);
  }

  /** Put other marks into the editable layer (a draft, or the server's after a conflict). */
  replace(marks: Mark[], options: { keepHistory: boolean }): void {
    const layer = this.editable;
    if (!layer) return;
    layer.marks = new Map(marks.map((mark) => [mark.id, mark]));
    this.mirror();
    if (options.keepHistory) this.settle();
    else this.settled = this.own();
    this.onChange('changed', null);
  }

  /** Add a mark that was not drawn by hand. */
  put(mark: Mark): boolean {
    const layer = this.editable;
    if (!layer || this.isFull(layer)) {
      if (layer) this.onFull();
      return false;
    }
    layer.marks.set(mark.id, mark);
    this.touched.add(mark.id);
    this.reveal(layer);
    this.mirror();
    this.settle();
    this.onChange('drawn', mark);
    return true;
  }

  edit(id: string, change: Partial<Pick<Mark, 'label' | 'confidence' | 'group' | 'points'>>): void {
    const layer = this.layerOf(id);
    const mark = layer?.marks.get(id);
    if (!layer?.editable || !mark) return;
    const next = { ...mark, ...change };
    layer.marks.set(id, next);
    if (change.points) {
      this.touched.add(id);
      this.forget(id);
      this.mirror();
    } else {
      const source = library.state.getAnnotation(id) as Annotation | undefined;
      if (source) source.data.label = next.label || (next.tool === 'arrow' ? ' ' : '');
    }
    this.repaint();
    this.settleSoon();
    this.onChange('changed', next);
  }

  delete(id: string): void {
    const layer = this.layerOf(id);
    const mark = layer?.marks.get(id);
    if (!layer?.editable || !mark) return;
    layer.marks.delete(id);
    if (this.selected === id) this.selected = null;
    this.mirror();
    this.settle();
    this.onChange('removed', mark);
  }

  select(id: string | null): void {
    this.selected = id;
    this.quietly(() => {
      library.selection.deselectAnnotation();
      if (id && library.state.getAnnotation(id)) library.selection.setAnnotationSelected(id, true);
    });
    this.repaint();
    this.onChange('selected', id ? this.find(id) : null);
  }

  /** Hide every layer, to see the image alone. */
  hideAll(): void {
    const shown = this.layers.filter((layer) => layer.visible);
    this.hidden = shown.map((layer) => layer.name);
    for (const layer of shown) layer.visible = false;
    this.mirror();
    this.onChange('loaded', null);
  }

  /** Show what was hidden together; all layers when each was hidden by itself. */
  showAgain(): void {
    const all = this.hidden.length === 0;
    for (const layer of this.layers) if (all || this.hidden.includes(layer.name)) layer.visible = true;
    this.hidden = [];
    this.mirror();
    this.onChange('loaded', null);
  }

  /** Whoever draws while marks are hidden sees them again: otherwise the new one would vanish as it is finished. */
  private reveal(layer: LayerState): void {
    if (this.hidden.length) this.showAgain();
    if (!layer.visible) this.show(layer.name, true);
  }

  show(name: string, visible: boolean): void {
    const layer = this.layers.find((l) => l.name === name);
    if (!layer) return;
    layer.visible = visible;
    if (visible) this.hidden = [];
    this.mirror();
    this.onChange('loaded', null);
  }

  undo(): void {
    this.settleSoon.flush();
    const before = this.past.pop();
    if (!before) return;
    this.future.push(this.settled);
    this.restore(before);
  }

  redo(): void {
    const after = this.future.pop();
    if (!after) return;
    this.past.push(this.settled);
    this.restore(after);
  }

  private restore(marks: Mark[]): void {
    const layer = this.editable;
    if (!layer) return;
    layer.marks = new Map(marks.map((mark) => [mark.id, mark]));
    this.settled = marks;
    if (this.selected && !this.find(this.selected)) this.selected = null;
    this.mirror();
    this.onChange('changed', null);
  }

  private settle(): void {
    const now = this.own();
    if (same(now, this.settled)) {
      this.settled = now;
      return;
    }
    this.past.push(this.settled);
    if (this.past.length > HISTORY) this.past.shift();
    this.future = [];
    this.settled = now;
    this.onChange('changed', null);
  }

  private isFull(layer: LayerState): boolean {
    return this.maximum !== null && layer.marks.size >= this.maximum;
  }

  // — from the drawing library —

  private completed(source: Annotation): void {
    const layer = this.editable;
    const image = this.host.imageById(source.metadata.referencedImageId ?? '');
    if (!layer || !image || !source.annotationUID) {
      this.erase(source.annotationUID);
      return;
    }
    if (layer.marks.has(source.annotationUID)) {
      this.modified(source);
      return;
    }
    const keep = { label: '', confidence: null, group: this.group, verdict: null };
    const mark = toMark(source, image, keep);
    if (!mark || isPoint(mark) || this.isFull(layer)) {
      this.erase(source.annotationUID);
      if (mark && this.isFull(layer)) this.onFull();
      return;
    }
    layer.marks.set(mark.id, mark);
    this.idOf.set(source.data, mark.id);
    this.touched.add(mark.id);
    this.drawn.set(mark.id, signature(mark));
    this.selected = mark.id;
    this.reveal(layer);
    this.repaint();
    this.settle();
    this.onChange('drawn', mark);
  }

  private modified(source: Annotation): void {
    const id = source.annotationUID ?? '';
    const layer = this.layerOf(id);
    const mark = layer?.marks.get(id);
    const image = this.host.imageById(source.metadata.referencedImageId ?? '');
    if (!layer || !mark || !image) return;
    if (!layer.editable) {
      // Values of truth and of others are computed here for show; their places stay as they came.
      layer.marks.set(id, { ...mark, measurements: measurementsOf(mark.tool, source.data) });
      this.onChange('selected', null);
      return;
    }
    const next = toMark(source, image, mark);
    if (!next) return;
    layer.marks.set(id, next);
    const shaped = signature(next) !== this.drawn.get(id);
    if (shaped) this.touched.add(id);
    this.drawn.set(id, signature(next));
    this.settleSoon();
    this.onChange(shaped ? 'shaped' : 'changed', next);
  }

  private removed(source: Annotation): void {
    const id = source.annotationUID ?? '';
    const layer = this.layerOf(id);
    const mark = layer?.marks.get(id);
    this.drawn.delete(id);
    if (!layer || !mark) return;
    if (!layer.editable) {
      this.mirror();
      return;
    }
    layer.marks.delete(id);
    if (this.selected === id) this.selected = null;
    this.settle();
    this.onChange('removed', mark);
  }

  // — to the drawing library —

  /** Make the library's annotations equal to the marks of visible layers, as far as their series are loaded. */
  mirror(): void {
    this.quietly(() => {
      const wanted = new Map<string, { mark: Mark; layer: LayerState }>();
      for (const layer of this.layers) {
        if (!layer.visible) continue;
        for (const mark of layer.marks.values()) wanted.set(mark.id, { mark, layer });
      }
      for (const [id, before] of [...this.drawn]) {
        const now = wanted.get(id);
        if (!now || signature(now.mark) !== before) this.forget(id);
      }
      for (const { mark, layer } of wanted.values()) {
        if (this.drawn.has(mark.id)) continue;
        const series = this.host.series(mark.series_instance_uid);
        const image = series?.images[series.indexOf(mark.sop_instance_uid, mark.frame)];
        if (!series || !image || !series.announce(image)) continue;
        const source = toAnnotation(mark, image);
        this.idOf.set(source.data, mark.id);
        library.state.addAnnotation(source as never, groupOf(image.id));
        if (!layer.editable) library.locking.setAnnotationLocked(mark.id, true);
        this.drawn.set(mark.id, signature(mark));
      }
    });
    this.repaint();
  }

  private forget(id: string): void {
    this.drawn.delete(id);
    if (library.state.getAnnotation(id)) this.quietly(() => library.state.removeAnnotation(id));
  }

  private erase(id: string | undefined): void {
    if (!id) return;
    this.quietly(() => library.state.removeAnnotation(id));
    this.host.render();
  }

  repaint(): void {
    for (const layer of this.layers) {
      for (const mark of layer.marks.values()) {
        const dash = DASHES[mark.verdict ?? ''] ?? '';
        const text = mark.tool !== 'arrow' || mark.label !== '';
        paint(mark.id, { color: colourOf(layer), dash, text }, mark.id === this.selected);
      }
    }
    this.host.render();
  }

  /** Do something with the library's annotations that is not taken for the person's doing. */
  quietly(work: () => void): void {
    const before = this.quiet;
    this.quiet = true;
    try {
      work();
    } finally {
      this.quiet = before;
    }
  }

  /** The words drawn beside marks of one tool. */
  readonly textLines =
    (tool: MarkTool): TextLines =>
    (data, targetId) => {
      const mark = this.find(this.idOf.get(data) ?? '');
      const measurements = measurementsOf(tool, data, targetId);
      if (mark && measurements.length) this.valued(mark, measurements);
      const role = mark ? this.layerOf(mark.id)?.role : undefined;
      const lines = linesOf(tool, measurements, mark?.label ?? '', mark?.verdict ?? null, role);
      return lines.length ? lines : undefined;
    };

  /** The library computes values while it draws and does not always say so: what is drawn is what is kept. */
  private valued(mark: Mark, measurements: Measurement[]): void {
    if (JSON.stringify(mark.measurements) === JSON.stringify(measurements)) return;
    queueMicrotask(() => {
      const layer = this.layerOf(mark.id);
      const now = layer?.marks.get(mark.id);
      if (!layer || !now) return;
      const next = { ...now, measurements };
      layer.marks.set(mark.id, next);
      this.onChange(layer.editable && this.touched.has(mark.id) ? 'changed' : 'selected', next);
    });
  }
}

/** What makes a mark look as it does; its values are left out, they follow from it. */
function signature(mark: Mark): string {
  return JSON.stringify([mark.tool, mark.sop_instance_uid, mark.frame, mark.points]);
}

function same(a: Mark[], b: Mark[]): boolean {
  const key = (marks: Mark[]): string =>
    JSON.stringify(marks.map((m) => [m.id, signature(m), m.label, m.confidence, m.group]));
  return key(a) === key(b);
}

/** A click without a drag leaves a shape of no size: not meant as a mark. */
function isPoint(mark: Mark): boolean {
  if (mark.tool === 'probe' || mark.tool === 'angle') return false;
  const xs = mark.points.map((p) => p[0]);
  const ys = mark.points.map((p) => p[1]);
  return Math.max(...xs) - Math.min(...xs) < 0.5 && Math.max(...ys) - Math.min(...ys) < 0.5;
}
