/** Read-only state for tests and for support: nothing can be changed through it. */

import type { App } from './app';
import { cache } from './cornerstone';

export interface ViewerState {
  readonly mode: string;
  readonly tool: string;
  readonly firstImageMs: number | null;
  readonly saving: string;
  readonly layout: [number, number];
  readonly active: number;
  readonly panes: object[];
  readonly marks: object[];
  readonly layers: object[];
  readonly cached: Record<string, number>;
  pixels(pane: number): { type: string; length: number; hash: number; values: number[] } | null;
  /** Red, green and blue on screen at image pixels of a viewport. */
  colours(pane: number, points: [number, number][]): number[][] | null;
  toScreen(pane: number, point: [number, number]): [number, number] | null;
  toImage(pane: number, point: [number, number]): [number, number] | null;
}

export function exposeState(app: App): void {
  const { workspace } = app;
  const state: ViewerState = {
    get mode() {
      return app.root.dataset['mode'] ?? '';
    },
    get tool() {
      return app.tool;
    },
    get firstImageMs() {
      return app.firstImageMs;
    },
    get saving() {
      return app.saving.state;
    },
    get layout(): [number, number] {
      return [workspace.rows, workspace.columns];
    },
    get active() {
      return workspace.active ? workspace.panes.indexOf(workspace.active) : -1;
    },
    get panes() {
      return workspace.panes.map((pane) => ({
        series: pane.series?.uid ?? null,
        index: pane.index,
        drawn: pane.drawn,
        count: pane.series?.images.length ?? 0,
        sop: pane.image?.sop ?? null,
        frame: pane.image?.frame ?? null,
        window: pane.window,
        inverted: pane.inverted,
        zoom: pane.zoom,
        pixelSize: pane.pixelSize(),
        playing: Boolean(pane.playing),
        box: boxOf(pane.element),
        lines: pane.overlay.lines.querySelectorAll('line').length,
        label: pane.description(),
      }));
    },
    get marks() {
      return app.marks.layers.flatMap((layer) =>
        [...layer.marks.values()].map((mark) => ({ ...structuredClone(mark), layer: layer.name })),
      );
    },
    get layers() {
      return app.marks.layers.map(({ name, role, editable, visible, version, marks }) => ({
        name,
        role,
        editable,
        visible,
        version,
        count: marks.size,
      }));
    },
    get cached() {
      return Object.fromEntries([...workspace.series].map(([uid, series]) => [uid, series.cached.size]));
    },
    pixels(index) {
      const pane = workspace.panes[index];
      const image = pane?.image && pane.drawn >= 0 ? cache.getImage(pane.image.id) : null;
      if (!image) return null;
      const data = image.getPixelData();
      let hash = 7;
      for (let i = 0; i < data.length; i += 1) hash = (Math.imul(hash, 31) + (data[i] as number)) | 0;
      return { type: data.constructor.name, length: data.length, hash, values: Array.from(data.slice(0, 16_384)) };
    },
    colours(index, points) {
      const pane = workspace.panes[index];
      const canvas = pane?.viewport?.getCanvas();
      const context = canvas?.getContext('2d');
      if (!pane || !canvas || !context || pane.drawn < 0) return null;
      const scale = canvas.width / pane.element.clientWidth;
      return points.map((point) => {
        const [x, y] = pane.onScreen(point) ?? [-1, -1];
        return Array.from(context.getImageData(Math.round(x * scale), Math.round(y * scale), 1, 1).data.slice(0, 3));
      });
    },
    toScreen: (index, point) => workspace.panes[index]?.onScreen(point) ?? null,
    toImage: (index, point) => workspace.panes[index]?.atScreen(point) ?? null,
  };
  Object.defineProperty(window, 'pacswebViewer', { value: Object.freeze(state), configurable: true });
}

function boxOf(element: HTMLElement): [number, number, number, number] {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left, top, width, height];
}
