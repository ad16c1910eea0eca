/** The list of what did not go in: searched, narrowed, taken away as CSV. */

export interface Row {
  name: string;
  kind: 'refused' | 'skipped' | 'failed';
  code: string;
  reason: string;
}

const SHOWN = 300;
const FORMULA = /^[=+\-@\t\r]/;

export class ProblemList {
  readonly #rows: Row[] = [];
  readonly #section: HTMLElement;
  readonly #body: HTMLElement;
  readonly #search: HTMLInputElement;
  readonly #kind: HTMLSelectElement;
  readonly #count: HTMLElement;
  readonly #words: (key: string, values?: Record<string, string>) => string;
  #isDrawn = true;

  constructor(section: HTMLElement, words: (key: string, values?: Record<string, string>) => string) {
    this.#section = section;
    this.#words = words;
    this.#body = must(section, '[data-problem-rows]');
    this.#search = must(section, '[data-problem-search]') as HTMLInputElement;
    this.#kind = must(section, '[data-problem-kind]') as HTMLSelectElement;
    this.#count = must(section, '[data-problem-count]');
    this.#search.addEventListener('input', () => this.#later());
    this.#kind.addEventListener('change', () => this.#later());
    must(section, '[data-csv]').addEventListener('click', () => this.#download());
  }

  add(row: Row): void {
    this.#rows.push(row);
    this.#later();
  }

  clear(): void {
    this.#rows.length = 0;
    this.#search.value = '';
    this.#kind.value = '';
    this.#later();
  }

  removeFailed(): void {
    const kept = this.#rows.filter((row) => row.kind !== 'failed');
    this.#rows.splice(0, this.#rows.length, ...kept);
    this.#later();
  }

  #later(): void {
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    requestAnimationFrame(() => {
      this.#isDrawn = true;
      this.#draw();
    });
  }

  #found(): Row[] {
    const words = this.#search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const kind = this.#kind.value;
    return this.#rows.filter(
      (row) =>
        (!kind || row.kind === kind) &&
        words.every((word) => `${row.name} ${row.reason} ${row.code}`.toLowerCase().includes(word)),
    );
  }

  #draw(): void {
    this.#section.hidden = this.#rows.length === 0;
    const found = this.#found();
    this.#count.textContent =
      found.length > SHOWN
        ? this.#words('firstOf', { shown: String(SHOWN), all: String(found.length) })
        : String(found.length);
    this.#body.replaceChildren(...found.slice(0, SHOWN).map((row) => this.#line(row)));
  }

  #line(row: Row): HTMLTableRowElement {
    const line = document.createElement('tr');
    const name = document.createElement('th');
    name.scope = 'row';
    name.append(Object.assign(document.createElement('span'), { className: 'filename', textContent: row.name }));
    const kind = document.createElement('td');
    const status = document.createElement('span');
    status.className = row.kind === 'skipped' ? 'status' : 'status is-fail';
    status.textContent = this.#words(row.kind);
    kind.append(status);
    const reason = document.createElement('td');
    reason.textContent = row.reason;
    line.append(name, kind, reason);
    return line;
  }

  #download(): void {
    const cell = (words: string): string => `"${(FORMULA.test(words) ? `'${words}` : words).replaceAll('"', '""')}"`;
    const lines = [['file', 'kind', 'code', 'reason'].map(cell).join(',')];
    for (const row of this.#found()) lines.push([row.name, row.kind, row.code, row.reason].map(cell).join(','));
    const blob = new Blob([`\ufeff${lines.join('\r\n')}\r\n`], { type: 'text/csv;charset=utf-8' });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = 'upload-problems.csv';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}

export function must(root: ParentNode, selector: string): HTMLElement {
  const found = root.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`The page lacks ${selector}.`);
  return found;
}
