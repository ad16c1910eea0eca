/** The list of series: thumbnails, where each is shown, how much of it is here. */

import { h } from './dom';
import { seriesName } from './pane';
import type { Series } from './series';
import { relationOf } from './study';
import { t } from './text';
import type { Workspace } from './workspace';

const KINDS: Record<string, () => string> = {
  document: () => t('Report'),
  presentation: () => t('Presentation'),
  key_objects: () => t('Key images'),
  segmentation: () => t('Segmentation'),
  other: () => t('No image'),
};

export class Rail {
  private readonly items = new Map<Series, HTMLElement>();

  constructor(
    private readonly root: HTMLElement,
    private readonly workspace: Workspace,
  ) {
    this.build();
  }

  build(): void {
    const { manifest, series } = this.workspace;
    this.items.clear();
    this.root.replaceChildren();
    for (const study of manifest.studies) {
      if (manifest.studies.length > 1 || study.label) {
        const head = [relationOf(study), study.label, manifest.overlays.dates ? study.date : '']
          .filter(Boolean)
          .join(' · ');
        this.root.append(h('h2', { class: 'rail-study' }, head || t('Study')));
      }
      const list = h('ul', { class: 'rail-list' });
      for (const entry of study.series) {
        const found = series.get(entry.uid);
        if (found) list.append(h('li', {}, this.item(found)));
      }
      this.root.append(list);
    }
    this.refresh();
  }

  private item(series: Series): HTMLElement {
    const { overlays } = this.workspace.manifest;
    const { entry } = series;
    const kind = KINDS[entry.kind]?.();
    const picture =
      entry.thumbnail && entry.kind === 'image'
        ? h('img', {
            src: entry.thumbnail,
            alt: '',
            loading: 'lazy',
            decoding: 'async',
            draggable: 'false',
            onerror: (event: Event) => (event.target as HTMLElement).replaceWith(this.blank(kind ?? entry.modality)),
          })
        : this.blank(kind ?? entry.modality);
    const button = h(
      'button',
      {
        type: 'button',
        class: 'rail-item',
        draggable: 'true',
        'data-series': entry.uid,
        onclick: () => this.open(series),
        ondblclick: () => this.open(series),
        ondragstart: (event: DragEvent) => {
          event.dataTransfer?.setData('application/x-pacsweb-series', entry.uid);
          if (event.dataTransfer) event.dataTransfer.effectAllowed = 'copy';
        },
      },
      h('span', { class: 'rail-picture' }, picture, h('span', { class: 'rail-badge', hidden: true })),
      h(
        'span',
        { class: 'rail-words' },
        h('span', { class: 'rail-name' }, (overlays.descriptions && entry.description) || seriesName(series, false)),
        h(
          'span',
          { class: 'rail-count' },
          [entry.number === null ? '' : `${entry.number}`, entry.modality, countOf(series)].filter(Boolean).join(' · '),
        ),
      ),
      h('span', { class: 'rail-progress', 'aria-hidden': 'true' }, h('span')),
    );
    this.items.set(series, button);
    return button;
  }

  private blank(word: string): HTMLElement {
    return h('span', { class: 'rail-blank', 'aria-hidden': 'true' }, word);
  }

  private open(series: Series): void {
    const { active } = this.workspace;
    if (active && active.series !== series) void active.show(series);
    active?.root.focus();
  }

  /** Marks which series are on screen and in which viewports. */
  refresh(): void {
    for (const [series, item] of this.items) {
      const panes = this.workspace.panes.filter((pane) => pane.series === series);
      const active = this.workspace.active?.series === series;
      item.classList.toggle('is-shown', panes.length > 0);
      item.classList.toggle('is-active', active);
      item.setAttribute('aria-current', String(active));
      const badge = item.querySelector('.rail-badge') as HTMLElement;
      badge.hidden = panes.length === 0 || this.workspace.panes.length === 1;
      badge.textContent = panes.map((pane) => this.workspace.panes.indexOf(pane) + 1).join(' ');
      this.progress(series);
    }
  }

  progress(series: Series): void {
    const item = this.items.get(series);
    if (!item) return;
    const { length } = series.images;
    const part = length ? series.cached.size / length : 0;
    const bar = item.querySelector('.rail-progress') as HTMLElement;
    bar.classList.toggle('is-done', part >= 1);
    bar.classList.toggle('is-busy', series.loading === 'metadata');
    bar.classList.toggle('is-failed', series.loading === 'failed' || series.failed.size > 0);
    bar.style.setProperty('--part', part.toFixed(3));
    const state =
      series.loading === 'failed'
        ? t('could not be loaded')
        : series.failed.size
          ? series.failed.size === 1
            ? t('1 image could not be loaded')
            : t('{count} images could not be loaded', { count: series.failed.size })
          : '';
    item.title = [seriesName(series, this.workspace.manifest.overlays.descriptions), state].filter(Boolean).join(' — ');
    const count = item.querySelector('.rail-count') as HTMLElement;
    const { entry } = series;
    count.textContent = [entry.number === null ? '' : `${entry.number}`, entry.modality, countOf(series)]
      .filter(Boolean)
      .join(' · ');
  }

  focus(): void {
    const current = this.root.querySelector<HTMLElement>('.rail-item.is-active, .rail-item');
    current?.focus();
  }
}

function countOf(series: Series): string {
  const n = series.size;
  if (series.loading === 'ready' && !series.drawable) return t('no image');
  return n === 1 ? t('1 image') : t('{n} images', { n });
}
