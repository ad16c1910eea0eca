/** Lists of small records (codes, authors) that are edited in place and saved as a whole. */

type Row = Record<string, string>;

interface Pane {
  series: string | null;
  sop: string | null;
  frame: number | null;
  window: { center: number; width: number } | null;
  inverted: boolean;
}

/** What the viewer shows now (its read-only state). */
export function presentView(): { rows: number; columns: number; active: number; panes: Pane[] } | null {
  const state = (window as { pacswebViewer?: { layout: [number, number]; active: number; panes: Pane[] } })
    .pacswebViewer;
  if (!state) return null;
  return { rows: state.layout[0], columns: state.layout[1], active: Math.max(0, state.active), panes: state.panes };
}

/** The image under the eye as the fields of a row. */
function presentImage(): Row | null {
  const view = presentView();
  const pane = view?.panes[view.active];
  if (!pane?.series || !pane.sop) return null;
  return { id: crypto.randomUUID(), series: pane.series, sop: pane.sop, frame: String(pane.frame ?? 1) };
}

export function startRows(root: HTMLElement, save: (name: string, rows: Row[]) => void): void {
  for (const editor of root.querySelectorAll<HTMLElement>('[data-rows]')) {
    const name = editor.dataset['rows'] ?? '';
    const template = editor.querySelector('template');
    const add = editor.querySelector<HTMLButtonElement>('[data-row-add]');
    if (!template || !add) continue;
    const append = (values: Row): HTMLElement | null => {
      const row = template.content.firstElementChild?.cloneNode(true);
      if (!(row instanceof HTMLElement)) return null;
      for (const field of row.querySelectorAll<HTMLInputElement | HTMLSelectElement>('input, select')) {
        const value = values[field.name];
        if (value) field.value = String(value);
      }
      const goto = row.querySelector<HTMLElement>('[data-viewer-goto]');
      if (goto) {
        const place = { series: values['series'], sop: values['sop'], frame: Number(values['frame'] ?? 1) };
        goto.dataset['viewerGoto'] = JSON.stringify(place);
      }
      add.before(row);
      return row;
    };
    const stored = document.getElementById(`rows-${name}`)?.textContent ?? '[]';
    for (const values of JSON.parse(stored) as Row[]) append(values);
    const collect = (): void => {
      const rows = [...editor.querySelectorAll<HTMLElement>('.rows-row')].map((row) => {
        const fields = [...row.querySelectorAll<HTMLInputElement | HTMLSelectElement>('input, select')];
        return Object.fromEntries(fields.map((field) => [field.name, field.value]));
      });
      save(name, rows);
    };
    add.addEventListener('click', () => {
      const values = add.hasAttribute('data-from-view') ? presentImage() : {};
      if (!values) return;
      append(values)?.querySelector<HTMLElement>('input:not([type=hidden]), select')?.focus();
      if (add.hasAttribute('data-from-view')) collect();
    });
    editor.addEventListener('input', collect);
    editor.addEventListener('click', (event) => {
      const remove = (event.target as Element).closest('[data-row-remove]');
      if (!remove) return;
      remove.closest('.rows-row')?.remove();
      collect();
    });
  }
}
