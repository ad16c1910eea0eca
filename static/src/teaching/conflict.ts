/** Two texts of one thing side by side: keep one of them, or make one of both. */
import { type Control, type Entries, entriesOf, isControl, labelOf } from '../lib/form-values';
import type { Clash } from './saves';

/** One field; `isText`: it can be written anew. */
export interface Side {
  label: string;
  value: string;
  isText: boolean;
}

export type Choice = { keep: 'theirs' } | { keep: 'mine'; texts: Map<string, string> } | { keep: 'later' };

/** The fields of a form that a person sees. */
export function sidesOf(root: ParentNode): Side[] {
  const sides: Side[] = [];
  for (const control of root.querySelectorAll('input, textarea, select')) {
    if (!isControl(control) || control.type === 'hidden') continue;
    sides.push({ label: labelOf(control), value: shown(control), isText: isText(control) });
  }
  return sides;
}

/** Write the texts that were chosen into the fields of these labels. */
export function writeTexts(root: ParentNode, texts: Map<string, string>): void {
  for (const control of root.querySelectorAll('input, textarea')) {
    if (!isControl(control) || !isText(control)) continue;
    const text = texts.get(labelOf(control));
    if (text !== undefined) control.value = text;
  }
}

function isText(control: Control): boolean {
  if (control instanceof HTMLSelectElement) return false;
  return !['checkbox', 'radio', 'date', 'number'].includes(control.type);
}

function shown(control: Control): string {
  if (control instanceof HTMLSelectElement) return control.selectedOptions[0]?.textContent?.trim() ?? '';
  if (control instanceof HTMLInputElement && ['checkbox', 'radio'].includes(control.type))
    return control.checked ? '✓' : '–';
  return control.value;
}

/** Ask which of two texts stays. `by`: who wrote the stored one. */
export function askWhichStays(options: { name: string; by: string; mine: Side[]; theirs: Side[] }): Promise<Choice> {
  const dialog = document.getElementById('conflict-dialog') as HTMLDialogElement;
  const template = dialog.querySelector('template') as HTMLTemplateElement;
  const list = dialog.querySelector('[data-conflict-rows]') as HTMLElement;
  for (const part of dialog.querySelectorAll('[data-conflict-name]')) part.textContent = options.name;
  for (const part of dialog.querySelectorAll('[data-conflict-by]')) part.textContent = options.by;
  list.replaceChildren();
  const texts = new Map<string, HTMLTextAreaElement>();
  const theirs = new Map(options.theirs.map((side) => [side.label, side]));
  const mine = new Map(options.mine.map((side) => [side.label, side]));
  for (const label of new Set([...mine.keys(), ...theirs.keys()])) {
    const [own, other] = [mine.get(label), theirs.get(label)];
    if (own?.value === other?.value) continue;
    const row = template.content.firstElementChild?.cloneNode(true) as HTMLElement;
    const part = (name: string): HTMLElement => row.querySelector(`[data-conflict="${name}"]`) as HTMLElement;
    part('label').textContent = label;
    part('theirs').textContent = other?.value ?? '';
    const field = part('mine') as HTMLTextAreaElement;
    field.value = own?.value ?? '';
    field.setAttribute('aria-label', `${field.dataset['prefix'] ?? ''} ${label}`.trim());
    if (own?.isText) texts.set(label, field);
    else field.readOnly = true;
    part('both').hidden = !own?.isText;
    part('both').addEventListener('click', () => {
      field.value = [other?.value ?? '', field.value].filter(Boolean).join('\n\n');
      field.focus();
    });
    list.append(row);
  }
  return new Promise((resolve) => {
    dialog.returnValue = '';
    dialog.addEventListener(
      'close',
      () => {
        if (dialog.returnValue === 'theirs') resolve({ keep: 'theirs' });
        else if (dialog.returnValue === 'mine')
          resolve({ keep: 'mine', texts: new Map([...texts].map(([label, field]) => [label, field.value])) });
        else resolve({ keep: 'later' });
      },
      { once: true },
    );
    dialog.showModal();
  });
}

export function parsed(html: string): HTMLFormElement {
  const found = new DOMParser().parseFromString(html, 'text/html').querySelector('form');
  return document.importNode(found as HTMLFormElement, true);
}

/** What is stored, as a form would send it. */
export function storedEntries(clash: Clash): Entries | null {
  if (clash.html) return entriesOf(parsed(clash.html));
  if (!clash.values) return null;
  return Object.entries(clash.values).map(([name, value]) => [name, asSent(name, value)]);
}

function asSent(name: string, value: unknown): string {
  if (Array.isArray(value) && name === 'keywords') return value.join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A list of records in words. */
export function readable(value: string): string {
  try {
    const rows: unknown = JSON.parse(value);
    if (!Array.isArray(rows)) return value;
    return rows
      .map((row) =>
        Object.values(row as object)
          .filter(Boolean)
          .join(' · '),
      )
      .join('\n');
  } catch {
    return value;
  }
}

export function clashIn(answer: string): Clash | null {
  try {
    const clash = JSON.parse(answer) as Clash;
    return clash.version === undefined ? null : clash;
  } catch {
    return null;
  }
}
