/** How large a pixel is and how that is known: ruler, scale bar and the note beside them all ask here (PS3.3 10.7.1). */

import type { Dataset } from './display';
import { number, t } from './text';

export interface Size {
  /** Between rows, between columns, in mm; null when the image says nothing of its size. */
  spacing: [number, number] | null;
  /** Height and width of a pixel on screen: the spacing, or the proportion alone. */
  shape: [number, number];
  /** Where the size comes from; empty where it is that of the patient. */
  note: string;
}

const numbers = (d: Dataset | undefined, tag: string): number[] => (d?.[tag]?.Value ?? []).map(Number);

function pair(d: Dataset | undefined, tag: string): [number, number] | null {
  const [row, column] = numbers(d, tag);
  return row && column && row > 0 && column > 0 && Number.isFinite(row * column) ? [row, column] : null;
}

const same = (a: [number, number], b: [number, number]): boolean =>
  Math.abs(a[0] / b[0] - 1) < 0.001 && Math.abs(a[1] / b[1] - 1) < 0.001;

export function sizeOf(dataset: Dataset, measures: Dataset | undefined): Size {
  const known = (spacing: [number, number], note: string): Size => ({ spacing, shape: spacing, note });
  const pixel = pair(measures, '00280030') ?? pair(dataset, '00280030');
  const imager = pair(dataset, '00181164');
  const factor = numbers(dataset, '00181114')[0] ?? 0;
  if (pixel && imager) {
    // Different from the detector's, it was corrected; alike, it is the detector's whatever it is called.
    if (!same(pixel, imager)) return known(pixel, t('corrected by the modality'));
  } else if (pixel) return known(pixel, '');
  if (imager) {
    if (factor > 1 && factor < 10) {
      const corrected = imager.map((side) => side / factor) as [number, number];
      return known(corrected, t('corrected for a magnification of {factor}', { factor: number(factor, 2) }));
    }
    return known(imager, t('at the detector'));
  }
  const scanned = pair(dataset, '00182010');
  if (scanned) return known(scanned, t('of the film'));
  const regions = ((dataset['00186011']?.Value ?? []) as Dataset[]).flatMap((region) => {
    const [dx] = numbers(region, '0018602C');
    const [dy] = numbers(region, '0018602E');
    // Unit 3 is centimetre (PS3.3 C.8.5.5.1.15).
    const measured = numbers(region, '00186024')[0] === 3 && numbers(region, '00186026')[0] === 3;
    return measured && dx && dy ? [[Math.abs(dy) * 10, Math.abs(dx) * 10] as [number, number]] : [];
  });
  const first = regions[0];
  if (first && regions.every((region) => same(region, first))) return known(first, t('of the ultrasound region'));
  const ratio = pair(dataset, '00280034');
  const proportion = ratio ? ratio[0] / ratio[1] : 1;
  const shape: [number, number] = proportion >= 0.1 && proportion <= 10 ? [proportion, 1] : [1, 1];
  if (first) return { spacing: null, shape, note: t('Scale differs between ultrasound regions') };
  return { spacing: null, shape, note: t('No pixel spacing: lengths in pixels') };
}
