/** Objects without pixels, shown as what they are: reports as text, selections and presentation states by name. */

import type { Overlays } from './contract';
import { h } from './dom';
import { type Dataset, type Series, sequenceItem, textOf } from './series';
import { t } from './text';

const KINDS: [RegExp, () => string][] = [
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.59$/, () => t('Key object selection')],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.67$/, () => t('Radiation dose report')],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\./, () => t('Structured report')],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11\./, () => t('Presentation state')],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.66\.4$/, () => t('Segmentation')],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.66\./, () => t('Registration or fiducials')],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.481\./, () => t('Radiotherapy object')],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.104\./, () => t('Encapsulated document')],
  [/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.9\./, () => t('Waveform')],
];
const MAX_ITEMS = 400;

export function kindOf(sopClass: string): string {
  return KINDS.find(([pattern]) => pattern.test(sopClass))?.[1]() ?? t('Object without an image');
}

export function describeDocument(series: Series, overlays: Overlays): HTMLElement[] {
  if (!series.datasets.length) return [h('p', { class: 'hint' }, t('This series holds no objects.'))];
  return series.datasets.map((dataset) => {
    const title = textOf(sequenceItem(dataset, '0040A043'), '00080104');
    const article = h('article', {}, h('h2', {}, kindOf(textOf(dataset, '00080016'))));
    // What a report says is a description: it stays hidden wherever descriptions do.
    if (!overlays.descriptions) {
      article.append(h('p', { class: 'hint' }, t('Its content is not shown here.')));
      return article;
    }
    if (title) article.append(h('h3', {}, title));
    const label = textOf(dataset, '00700080') || textOf(dataset, '00420010');
    if (label) article.append(h('p', {}, label));
    const budget = { left: MAX_ITEMS };
    const tree = content(dataset, budget);
    article.append(tree ?? h('p', { class: 'hint' }, t('It has no image of its own.')));
    if (budget.left <= 0) article.append(h('p', { class: 'hint' }, t('Only the first part is shown.')));
    return article;
  });
}

function content(parent: Dataset, budget: { left: number }): HTMLElement | null {
  const items = (parent['0040A730']?.Value ?? []) as Dataset[];
  if (!items.length) return null;
  const list = h('ul', { class: 'report' });
  for (const entry of items) {
    budget.left -= 1;
    if (budget.left <= 0) break;
    const name = textOf(sequenceItem(entry, '0040A043'), '00080104');
    const value = contentOf(entry);
    const row = h('li', {});
    if (name) row.append(h('span', { class: 'report-name' }, name));
    if (value) row.append(h('span', { class: 'report-value' }, value));
    const inner = content(entry, budget);
    if (inner) row.append(inner);
    if (row.childNodes.length) list.append(row);
  }
  return list;
}

function contentOf(entry: Dataset): string {
  switch (textOf(entry, '0040A040')) {
    case 'TEXT':
      return textOf(entry, '0040A160');
    case 'CODE':
      return textOf(sequenceItem(entry, '0040A168'), '00080104');
    case 'NUM': {
      const measured = sequenceItem(entry, '0040A300');
      return [textOf(measured, '0040A30A'), textOf(sequenceItem(measured, '004008EA'), '00080100')].join(' ').trim();
    }
    case 'DATE':
      return textOf(entry, '0040A121');
    case 'TIME':
      return textOf(entry, '0040A122');
    case 'DATETIME':
      return textOf(entry, '0040A120');
    case 'PNAME':
      return textOf(entry, '0040A123');
    case 'IMAGE':
      return t('image');
    default:
      return '';
  }
}
