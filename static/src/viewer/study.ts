import type { StudyEntry } from './contract';
import { t } from './text';

/** Whether a study is earlier or later than the one the page is about, in a word. */
export function relationOf(study: StudyEntry): string {
  if (study.prior) return t('Prior');
  return study.later ? t('Later') : '';
}
