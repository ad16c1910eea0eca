/** Tables by keyboard (j k arrows, Enter, Space, →) and the bar for what is selected. */
import { isTyping, on } from './dom';
import { htmx } from './htmx';
import { text } from './text';

function rowsOf(block: Element): HTMLElement[] {
  return [...block.querySelectorAll<HTMLElement>('[data-row]')];
}

function activeBlock(): Element | null {
  const focused = document.activeElement?.closest('[data-table]');
  return focused ?? document.querySelector('dialog[open] [data-table]') ?? document.querySelector('main [data-table]');
}

function focusRow(rows: HTMLElement[], index: number): void {
  const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
  if (!row) return;
  for (const other of rows) other.tabIndex = -1;
  row.tabIndex = 0;
  row.focus();
  row.scrollIntoView({ block: 'nearest' });
}

function open(row: HTMLElement): void {
  const link = row.querySelector<HTMLAnchorElement>('a[data-row-link]');
  if (link) link.click();
  else if (row.dataset['href']) window.location.assign(row.dataset['href']);
}

function openDrawer(row: HTMLElement): void {
  const url = row.dataset['drawer'];
  if (url) void htmx.ajax('get', url, { target: '#drawer-content', swap: 'innerHTML' });
}

function countSelected(block: Element): void {
  const boxes = [...block.querySelectorAll<HTMLInputElement>('input[data-select-row]')];
  const chosen = boxes.filter((box) => box.checked).length;
  const all = block.querySelector<HTMLInputElement>('input[data-select-all]');
  if (all) {
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  }
  const bar = block.querySelector<HTMLElement>('[data-bulk-bar]');
  if (!bar) return;
  bar.hidden = chosen === 0;
  const count = bar.querySelector('[data-bulk-count]');
  if (count) count.textContent = text('selected', '{n} selected').replace('{n}', String(chosen));
}

interface ConfigEvent extends CustomEvent {
  detail: { elt: Element; parameters: Record<string, unknown> };
}

/** Addresses stay short enough to share: what is empty, or as it always is, is left out. */
function tidyAddress(event: Event): void {
  const { elt, parameters } = (event as ConfigEvent).detail;
  if (!elt.matches('[data-table-form]')) return;
  const columns = [...elt.querySelectorAll<HTMLInputElement>('input[name="cols"]')];
  const usual = columns.every((box) => box.checked === (box.dataset['default'] === '1'));
  const touched = columns.some((box) => box.checked !== box.defaultChecked);
  if (usual ? !touched : !touched && !new URLSearchParams(location.search).has('cols')) delete parameters['cols'];
  for (const [name, value] of Object.entries(parameters)) if (value === '') delete parameters[name];
}

export function startTables(): void {
  document.addEventListener('htmx:configRequest', tidyAddress);
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.documentElement.dataset['keys'] === 'off' && !(event.target as Element).closest?.('[data-row]'))
      return;
    if (
      document.querySelector(':popover-open') ||
      (event.target as Element).closest?.('[role=menu], [role=tree], [role=tablist]')
    )
      return;
    const block = activeBlock();
    if (!block) return;
    const rows = rowsOf(block);
    if (rows.length === 0) return;
    const focused = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>('[data-row]') ?? null;
    const at = focused ? rows.indexOf(focused) : -1;
    const inRow = focused !== null && document.activeElement === focused;
    switch (event.key) {
      case 'j':
      case 'ArrowDown':
        if (event.key === 'ArrowDown' && !focused) return;
        focusRow(rows, at + 1);
        break;
      case 'k':
      case 'ArrowUp':
        if (event.key === 'ArrowUp' && !focused) return;
        focusRow(rows, at - 1);
        break;
      case 'Home':
        if (!inRow) return;
        focusRow(rows, 0);
        break;
      case 'End':
        if (!inRow) return;
        focusRow(rows, rows.length - 1);
        break;
      case 'Enter':
        if (!inRow) return;
        open(focused);
        break;
      case 'ArrowRight':
        if (!inRow || !focused.dataset['drawer']) return;
        openDrawer(focused);
        break;
      case ' ': {
        const box = inRow ? focused.querySelector<HTMLInputElement>('input[data-select-row]') : null;
        if (!box) return;
        box.checked = !box.checked;
        box.dispatchEvent(new Event('change', { bubbles: true }));
        break;
      }
      default:
        return;
    }
    event.preventDefault();
  });

  on('click', '[data-row][data-href]', (row, event) => {
    const target = event.target as Element;
    if (target.closest('a, button, input, label, select, summary, [popover]') || window.getSelection()?.toString())
      return;
    if (event.ctrlKey || event.metaKey) window.open(row.dataset['href'], '_blank', 'noopener');
    else open(row);
  });

  // Words that were shortened to keep a row on its line are told whole under the pointer.
  document.addEventListener('mouseover', (event) => {
    const cell = (event.target as Element).closest?.<HTMLElement>('.table tbody :is(th, td)');
    if (!cell || cell.title) return;
    const parts = [cell, ...cell.querySelectorAll<HTMLElement>('.sub, .row-link, small, .unknown-title > span')];
    if (parts.some((part) => part.scrollWidth > part.clientWidth + 1)) {
      cell.title = cell.innerText.trim().replace(/\s*\n\s*/g, ' · ');
    }
  });

  on('change', 'input[data-select-row]', (box) => {
    const block = box.closest('[data-table]');
    if (block) countSelected(block);
  });
  on('change', 'input[data-select-all]', (all) => {
    const block = all.closest('[data-table]');
    if (!block || !(all instanceof HTMLInputElement)) return;
    for (const box of block.querySelectorAll<HTMLInputElement>('input[data-select-row]')) box.checked = all.checked;
    countSelected(block);
  });
  on('click', '[data-bulk-clear]', (button) => {
    const block = button.closest('[data-table]');
    if (!block) return;
    for (const box of block.querySelectorAll<HTMLInputElement>('input[data-select-row]')) box.checked = false;
    countSelected(block);
  });
  document.addEventListener('htmx:afterSettle', () => {
    for (const block of document.querySelectorAll('[data-table]')) countSelected(block);
  });
}
