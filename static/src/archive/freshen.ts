/** The study list follows the archive: when the poll says that something changed, the list is fetched again. */
import { htmx } from '../lib/htmx';

const LIST = 'table-studies';

/** Not while somebody has rows chosen, types, or reads a float: nothing may move under their hands. */
function isBusy(list: Element): boolean {
  if (list.querySelector('input[data-select-row]:checked')) return true;
  if (document.querySelector('dialog[open], :popover-open')) return true;
  return document.activeElement?.closest('[data-table-form]') instanceof Element;
}

export function startFreshening(): void {
  const poll = document.getElementById('study-changes');
  if (!poll) return;
  let shown = '';
  let isWaiting = false;

  const refresh = (): void => {
    const list = document.getElementById(LIST);
    if (!list || !isWaiting) return;
    if (isBusy(list)) {
      setTimeout(refresh, 2000);
      return;
    }
    isWaiting = false;
    void htmx.ajax('get', window.location.href, { target: `#${LIST}`, swap: 'morph:outerHTML', source: `#${LIST}` });
  };

  const look = (): void => {
    const mark = document.getElementById('study-changes')?.dataset['listChanged'] ?? '';
    if (!mark || mark === shown) return;
    shown = mark;
    isWaiting = true;
    refresh();
  };

  new MutationObserver(look).observe(poll.parentElement ?? document.body, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ['data-list-changed'],
  });
}
