/** A text that is longer than its field takes is refused with a count. Left alone, browsers cut what is pasted and say nothing. */
import { text } from './text';

type Field = HTMLInputElement | HTMLTextAreaElement;

function fieldOf(event: Event): Field | null {
  const { target } = event;
  if (!(target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement)) return null;
  return target.type === 'password' || target.autocomplete === 'one-time-code' ? null : target;
}

/** The limit stays known, and the browser keeps its hands off the text. */
function takeOver(field: Field): void {
  if (field.maxLength < 0) return;
  field.dataset['most'] = String(field.maxLength);
  field.removeAttribute('maxlength');
}

function check(field: Field): void {
  const most = Number(field.dataset['most']);
  if (!most) return;
  // As the server counts: by characters, not by the halves of UTF-16.
  const n = [...field.value].length;
  const words =
    n > most
      ? text('tooLong', 'At most {most} characters; this has {n}.')
          .replace('{most}', String(most))
          .replace('{n}', String(n))
      : '';
  field.setCustomValidity(words);
  if (words) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
  const said = field.parentElement?.querySelector<HTMLElement>(':scope > .field-error[data-length]');
  if (said) said.textContent = words;
  else if (words) {
    const line = document.createElement('span');
    line.className = 'field-error';
    line.dataset['length'] = '';
    line.setAttribute('role', 'status');
    line.textContent = words;
    field.after(line);
  }
}

export function startLengths(): void {
  document.addEventListener('focusin', (event) => {
    const field = fieldOf(event);
    if (field) takeOver(field);
  });
  document.addEventListener('input', (event) => {
    const field = fieldOf(event);
    if (field) check(field);
  });
}
