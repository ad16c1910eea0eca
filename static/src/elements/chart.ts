/**
 * <pw-chart kind="…" data="id" label="…"> draws the data of a json_script beside it. The drawing library is loaded
 * only when a chart comes into view; the same numbers stand in a table below for everyone who wants them as words.
 */
import { text } from '../lib/text';
import type { ChartData, ChartKind } from './chart-data';
import { tableOf } from './chart-data';

class Chart extends HTMLElement {
  #handle: { redraw: () => void; resize: () => void; dispose: () => void } | undefined;
  #seen: IntersectionObserver | undefined;
  #sized: ResizeObserver | undefined;
  #scheme = matchMedia('(prefers-color-scheme: dark)');

  connectedCallback(): void {
    const source = document.getElementById(this.getAttribute('data') ?? '');
    if (!source?.textContent || this.querySelector('.chart-canvas')) return;
    const data = JSON.parse(source.textContent) as ChartData;
    const canvas = document.createElement('div');
    canvas.className = 'chart-canvas';
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', this.getAttribute('label') ?? '');
    this.append(canvas, this.#table(data));
    this.#seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      this.#seen?.disconnect();
      void this.#draw(canvas, data);
    });
    this.#seen.observe(canvas);
  }

  disconnectedCallback(): void {
    this.#seen?.disconnect();
    this.#sized?.disconnect();
    this.#handle?.dispose();
    this.#handle = undefined;
    document.removeEventListener('pw:theme', this.#redraw);
    this.#scheme.removeEventListener('change', this.#redraw);
  }

  #redraw = (): void => this.#handle?.redraw();

  async #draw(canvas: HTMLElement, data: ChartData): Promise<void> {
    const { draw } = await import('./chart-draw');
    if (!this.isConnected) return;
    this.#handle = draw(canvas, (this.getAttribute('kind') ?? 'line') as ChartKind, data);
    this.#sized = new ResizeObserver(() => this.#handle?.resize());
    this.#sized.observe(canvas);
    document.addEventListener('pw:theme', this.#redraw);
    this.#scheme.addEventListener('change', this.#redraw);
  }

  #table(data: ChartData): HTMLElement {
    const { head, rows } = tableOf((this.getAttribute('kind') ?? 'line') as ChartKind, data);
    const details = document.createElement('details');
    details.className = 'chart-data';
    const summary = document.createElement('summary');
    summary.textContent = text('asTable', 'As a table');
    const scroll = document.createElement('div');
    scroll.className = 'table-scroll';
    scroll.tabIndex = 0;
    scroll.setAttribute('role', 'region');
    scroll.setAttribute('aria-label', this.getAttribute('label') ?? '');
    const table = document.createElement('table');
    table.className = 'table';
    const headRow = table.createTHead().insertRow();
    for (const name of head) {
      const cell = document.createElement('th');
      cell.scope = 'col';
      cell.textContent = name;
      headRow.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      for (const value of row) line.insertCell().textContent = value;
    }
    scroll.append(table);
    details.append(summary, scroll);
    return details;
  }
}

customElements.define('pw-chart', Chart);
