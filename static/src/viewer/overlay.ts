/** What is written around an image: corners, sides of the patient, scale, and the lines of other planes. */

import { h, svg } from './dom';
import { direction, intersection, normalOf, type Plane, toImage, type Vector } from './geometry';
import type { Pane } from './pane';
import type { ImageRef } from './series';
import { relationOf } from './study';
import { number, t } from './text';

const CORNERS = ['tl', 'tr', 'bl', 'br'] as const;
const SIDES = ['left', 'right', 'top', 'bottom'] as const;

export class Overlay {
  readonly elements: Element[] = [];
  readonly lines: SVGSVGElement;
  private readonly corners = {} as Record<(typeof CORNERS)[number], HTMLElement>;
  private readonly sides = {} as Record<(typeof SIDES)[number], HTMLElement>;
  private readonly scale: HTMLElement;

  constructor(private readonly pane: Pane) {
    this.lines = svg('svg', { class: 'pane-lines', 'aria-hidden': 'true' });
    this.scale = h('div', { class: 'pane-scale', 'aria-hidden': 'true', hidden: true }, h('span'));
    for (const corner of CORNERS) {
      this.corners[corner] = h('div', { class: `pane-corner pane-${corner}`, 'aria-hidden': 'true' });
    }
    for (const side of SIDES) {
      this.sides[side] = h('span', { class: `pane-side pane-${side}`, 'aria-hidden': 'true' });
    }
    this.elements.push(this.lines, this.scale, ...Object.values(this.corners), ...Object.values(this.sides));
  }

  refresh(): void {
    const shown = this.pane.series?.drawable ? this.pane.image : null;
    this.corners.tl.replaceChildren(...rows(this.topLeft(shown)));
    this.corners.tr.replaceChildren(...rows(this.topRight(shown)));
    this.corners.bl.replaceChildren(...rows(this.bottomLeft(shown)));
    this.corners.br.replaceChildren(...rows(this.bottomRight(shown)));
    this.refreshSides();
    this.refreshScale();
  }

  private topLeft(image: ImageRef | null): (string | null)[] {
    const { patient, overlays } = this.pane.host.manifest;
    if (!this.pane.series) return [];
    const born = patient ? [patient.birth_date, patient.sex, patient.age].filter(Boolean).join('  ') : '';
    return [
      patient?.name || null,
      patient?.patient_id || null,
      born || null,
      overlays.institution ? image?.institution || null : null,
    ];
  }

  private topRight(image: ImageRef | null): (string | null)[] {
    const { series } = this.pane;
    if (!series) return [];
    const { overlays } = this.pane.host.manifest;
    return [
      [series.modality, series.entry.number === null ? '' : t('Series {n}', { n: series.entry.number })]
        .filter(Boolean)
        .join('  '),
      overlays.descriptions ? series.entry.description || null : null,
      image?.view || null,
      relationOf(series.study) || null,
      overlays.dates ? dicomDate(series.study.date || image?.date || '') : null,
    ];
  }

  private bottomLeft(image: ImageRef | null): (string | null)[] {
    const { series } = this.pane;
    if (!image || !series) return [];
    const place = this.place(image);
    const thick = image.thickness ? t('{mm} mm thick', { mm: number(image.thickness, 2) }) : '';
    return [
      image.lossy || null,
      image.spacingNote && !image.spacing ? image.spacingNote : null,
      image.spacing && image.spacingNote ? t('Spacing {where}', { where: image.spacingNote }) : null,
      [place, thick].filter(Boolean).join('  ') || null,
      t('Image {index} / {count}', { index: this.pane.index + 1, count: series.images.length }),
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
    if (!image || this.pane.drawn < 0) return [];
    const size = this.pane.pixelSize();
    const window = this.pane.window;
    const color = Boolean(this.pane.viewport?.getCornerstoneImage()?.color);
    const digits = window && window.width < 10 ? 2 : 0;
    return [
      size ? t('Zoom {percent} %', { percent: Math.round(size * 100 * (globalThis.devicePixelRatio || 1)) }) : null,
      window && !color ? `W ${number(window.width, digits)}  L ${number(window.center, digits)}` : null,
    ];
  }

  private refreshSides(): void {
    const viewport = this.pane.viewport;
    const { plane, image } = this.pane;
    const sides = plane && image?.frameOfReference ? null : (image?.sides ?? null);
    const clear = (): void => {
      for (const side of Object.values(this.sides)) side.textContent = '';
    };
    if (!viewport || this.pane.drawn < 0 || (!sides && (!plane || !image?.frameOfReference))) {
      clear();
      return;
    }
    const { viewUp, viewPlaneNormal } = viewport.getCamera();
    const origin = this.pane.onScreen([0, 0]);
    const right = this.pane.onScreen([1, 0]);
    const down = this.pane.onScreen([0, 1]);
    if (!viewUp || !viewPlaneNormal || !origin || !right || !down) {
      clear();
      return;
    }
    // Which way the image's own axes run on screen decides the letters: true for turned and mirrored images too.
    const ax: [number, number] = [right[0] - origin[0], right[1] - origin[1]];
    const ay: [number, number] = [down[0] - origin[0], down[1] - origin[1]];
    const letters = (x: number, y: number): string => {
      const u = (x * ax[0] + y * ax[1]) / Math.hypot(...ax);
      const v = (x * ay[0] + y * ay[1]) / Math.hypot(...ay);
      if (plane && !sides)
        return direction(
          [0, 1, 2].map((i) => u * (plane.row[i] as number) + v * (plane.column[i] as number)) as Vector,
        );
      if (!sides) return '';
      const along = Math.abs(u) >= Math.abs(v) ? u : v;
      const letter = sides[Math.abs(u) >= Math.abs(v) ? 0 : 1];
      return along > 0 ? letter : opposite(letter);
    };
    this.sides.left.textContent = letters(-1, 0);
    this.sides.right.textContent = letters(1, 0);
    this.sides.top.textContent = letters(0, -1);
    this.sides.bottom.textContent = letters(0, 1);
  }

  private refreshScale(): void {
    const size = this.pane.pixelSize();
    const spacing = this.pane.image?.spacing;
    if (!size || !spacing || this.pane.drawn < 0) {
      this.scale.hidden = true;
      return;
    }
    const perMm = size / spacing[1];
    const room = this.pane.element.clientHeight * 0.34;
    const mm = [500, 200, 100, 50, 20, 10, 5, 2, 1].find((step) => step * perMm <= room);
    this.scale.hidden = !mm;
    if (!mm) return;
    this.scale.style.setProperty('--length', `${(mm * perMm).toFixed(1)}px`);
    (this.scale.firstElementChild as HTMLElement).textContent = mm >= 10 ? `${mm / 10} cm` : `${mm} mm`;
  }

  /** Lines of the other planes and the shared point, drawn over this image. */
  drawLines(sources: { image: ImageRef; plane: Plane; active: boolean }[], point: Vector | null): void {
    const shapes: SVGElement[] = [];
    const { plane, image } = this.pane;
    if (plane && image && this.pane.drawn >= 0) {
      for (const source of sources) {
        const line = intersection(source.plane, [source.image.columns, source.image.rows], plane);
        const a = line && this.pane.onScreen(line[0]);
        const b = line && this.pane.onScreen(line[1]);
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
      const at = point && this.pane.onScreen(toImage(plane, point));
      if (at) {
        const [x, y] = at;
        shapes.push(svg('path', { d: `M${x - 14} ${y}h10m8 0h10M${x} ${y - 14}v10m0 8v10`, class: 'is-point' }));
      }
    }
    this.lines.replaceChildren(...shapes);
  }
}

/** The other end of a direction in letters (PS3.3 C.7.6.1.1.1). */
function opposite(letters: string): string {
  const pairs: Record<string, string> = { A: 'P', P: 'A', R: 'L', L: 'R', H: 'F', F: 'H' };
  return [...letters].map((letter) => pairs[letter] ?? letter).join('');
}

function rows(lines: (string | null)[]): HTMLElement[] {
  return lines.filter((line): line is string => Boolean(line)).map((line) => h('div', {}, line));
}

/** DICOM date (YYYYMMDD) or ISO date as ISO. */
function dicomDate(value: string): string {
  return /^\d{8}$/.test(value) ? `${value.slice(0, 4)}-${value.slice(4, 6)}-${value.slice(6)}` : value;
}
