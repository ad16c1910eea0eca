/** Forms that were begun and not sent: kept in this browser for their person, and filled again when the page comes back. */
import { on } from './dom';
import { type Control, isControl } from './form-values';
import { drop, keep, kept, keptNames, markSent, restoreSent } from './kept-text';
import { text } from './text';

interface Field {
  name: string;
  nth: number;
  value: string;
}

const DELAY = 250;
const NEVER = 'password, file, hidden, submit, button, reset, image'.split(', ');
const waiting = new Map<string, number>();

/** Whether a person types something into it; secrets are never kept. */
export function isKept(form: HTMLFormElement): boolean {
  const isSent = form.getAttribute('method')?.toLowerCase() === 'post' || form.hasAttribute('hx-post');
  if (!isSent || form.dataset['autosave'] || form.dataset['draftUrl'] || form.closest('#lock-screen')) return false;
  if (!document.getElementById('lock-screen')) return false;
  if (form.querySelector('input[type=password], [autocomplete=one-time-code]')) return false;
  return controls(form).some((control) => !['checkbox', 'radio'].includes(control.type));
}

function controls(form: HTMLFormElement): Control[] {
  return [...form.elements].filter(
    (control): control is Control =>
      isControl(control) &&
      Boolean(control.name) &&
      !NEVER.includes(control.type) &&
      control.dataset['confirmName'] === undefined &&
      control.dataset['selectRow'] === undefined,
  );
}

function placeOf(form: HTMLFormElement): string {
  const name = form.id || form.getAttribute('action') || form.getAttribute('hx-post') || '';
  const same = [...document.forms].filter(
    (other) => (other.id || other.getAttribute('action') || other.getAttribute('hx-post') || '') === name,
  );
  return `form:${location.pathname}:${name}:${same.indexOf(form)}`;
}

function isChanged(control: Control): boolean {
  if (control instanceof HTMLSelectElement)
    return [...control.options].some((option) => option.selected !== option.defaultSelected);
  if (control instanceof HTMLInputElement && ['checkbox', 'radio'].includes(control.type))
    return control.checked !== control.defaultChecked;
  return control.value !== control.defaultValue;
}

function read(control: Control): string {
  if (control instanceof HTMLInputElement && ['checkbox', 'radio'].includes(control.type))
    return control.checked ? '1' : '';
  if (control instanceof HTMLSelectElement && control.multiple)
    return JSON.stringify([...control.selectedOptions].map((option) => option.value));
  return control.value;
}

function write(control: Control, value: string): void {
  if (control instanceof HTMLInputElement && ['checkbox', 'radio'].includes(control.type)) {
    control.checked = value === '1';
  } else if (control instanceof HTMLSelectElement && control.multiple) {
    const chosen = JSON.parse(value) as string[];
    for (const option of control.options) option.selected = chosen.includes(option.value);
  } else control.value = value;
}

function numbered(form: HTMLFormElement): { control: Control; nth: number }[] {
  const seen = new Map<string, number>();
  return controls(form).map((control) => {
    const nth = seen.get(control.name) ?? 0;
    seen.set(control.name, nth + 1);
    return { control, nth };
  });
}

function later(form: HTMLFormElement): void {
  if (!isKept(form)) return;
  const place = placeOf(form);
  window.clearTimeout(waiting.get(place));
  waiting.set(
    place,
    window.setTimeout(() => {
      waiting.delete(place);
      const fields: Field[] = numbered(form)
        .filter(({ control }) => isChanged(control))
        .map(({ control, nth }) => ({ name: control.name, nth, value: read(control) }));
      if (fields.length) keep(place, fields);
      else drop(place);
    }, DELAY),
  );
}

async function bringBack(form: HTMLFormElement): Promise<void> {
  if (form.dataset['brought'] !== undefined || !isKept(form)) return;
  form.dataset['brought'] = '';
  const place = placeOf(form);
  const found = await kept<Field[]>(place);
  if (!found) return;
  let isNews = false;
  for (const { control, nth } of numbered(form)) {
    const field = found.value.find((one) => one.name === control.name && one.nth === nth);
    if (!field || read(control) === field.value) continue;
    write(control, field.value);
    isNews = true;
    control.dispatchEvent(new Event('change', { bubbles: true }));
  }
  if (!isNews) return;
  if (form.dataset['guard'] !== undefined) form.dataset['dirty'] = '';
  form.prepend(notice(form, place));
}

function notice(form: HTMLFormElement, place: string): HTMLElement {
  const box = Object.assign(document.createElement('div'), { className: 'notice is-info kept-notice' });
  box.setAttribute('role', 'status');
  const words = document.createElement('div');
  words.textContent = text('restored', 'What you typed here and did not send has been filled in again.');
  const discard = Object.assign(document.createElement('button'), { type: 'button', className: 'button button-small' });
  discard.textContent = text('discard', 'Discard');
  discard.addEventListener('click', () => {
    form.reset();
    delete form.dataset['dirty'];
    drop(place);
    box.remove();
  });
  box.append(words, discard);
  return box;
}

/** It is on its way: what is kept goes once the next page shows that it arrived. */
export function noteSent(form: HTMLFormElement): void {
  if (!isKept(form)) return;
  const place = placeOf(form);
  window.clearTimeout(waiting.get(place));
  markSent(place);
}

export function startKeptForms(): void {
  const [entry] = performance.getEntriesByType('navigation') as (PerformanceNavigationTiming | undefined)[];
  const hasArrived = (entry?.responseStatus ?? 200) < 400;
  for (const name of keptNames('form:')) restoreSent(name, { hasArrived });
  const all = (): void => {
    for (const form of document.forms) void bringBack(form);
  };
  all();
  document.addEventListener('htmx:afterSettle', all);
  on('input', 'form', (form) => later(form as HTMLFormElement));
  on('change', 'form', (form) => later(form as HTMLFormElement));
  document.addEventListener('htmx:afterRequest', (event) => {
    const { elt, successful } = (event as CustomEvent<{ elt: Element; successful: boolean }>).detail;
    if (elt instanceof HTMLFormElement && successful && isKept(elt)) drop(placeOf(elt));
  });
}
