/** Lists of small records (codes, authors) that are edited in place and saved as a whole. */

type Row = Record<string, string>;

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
        if (value) field.value = value;
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
    add.addEventListener('click', () => append({})?.querySelector<HTMLElement>('input, select')?.focus());
    editor.addEventListener('input', collect);
    editor.addEventListener('click', (event) => {
      const remove = (event.target as Element).closest('[data-row-remove]');
      if (!remove) return;
      remove.closest('.rows-row')?.remove();
      collect();
    });
  }
}
