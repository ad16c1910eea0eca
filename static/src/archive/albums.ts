/** Albums: their order by keys, and what is said of the album that studies are about to go into. */

let focused = '';

/** Alt and an arrow on a row move it; the focus stays with what was moved. */
export function startReordering(): void {
  document.addEventListener('keydown', (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || !/^Arrow(Up|Down)$/.test(event.key)) return;
    const row = (event.target as Element).closest?.<HTMLElement>('[data-row]');
    const form = row?.querySelector<HTMLFormElement>('[data-album-move]');
    if (!row || !form) return;
    event.preventDefault();
    const wanted = event.key === 'ArrowUp' ? 'up' : 'down';
    const button = form.querySelector<HTMLButtonElement>(`button[value="${wanted}"]`);
    if (!button || button.disabled) return;
    focused = row.id;
    button.click();
  });

  document.addEventListener('submit', (event) => {
    const form = event.target as HTMLElement;
    // A button at an end of the list is switched off by its own press: the row keeps the focus then.
    if (form.matches('[data-album-move]') && !focused) focused = (event.submitter ?? form).id;
  });

  document.addEventListener('htmx:afterSettle', () => {
    if (!focused) return;
    const found = document.getElementById(focused);
    focused = '';
    const target =
      found instanceof HTMLButtonElement && found.disabled ? found.closest<HTMLElement>('[data-row]') : found;
    target?.focus();
    target?.scrollIntoView({ block: 'nearest' });
  });
}

/** Who outside sees the chosen album is said beside it, and of no other. */
export function startAdding(): void {
  const select = document.querySelector<HTMLSelectElement>('.album-add select[name="album"]');
  if (!select) return;
  const tell = (): void => {
    for (const notice of document.querySelectorAll<HTMLElement>('.album-add [data-album]')) {
      notice.hidden = notice.dataset['album'] !== select.value;
    }
  };
  select.addEventListener('change', tell);
  tell();
}
