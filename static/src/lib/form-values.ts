/** What a form holds, as pairs in the order of the page, and the way back into a form that was drawn anew. */

export type Entries = [name: string, value: string][];
export type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

export function isControl(element: unknown): element is Control {
  return (
    element instanceof HTMLInputElement ||
    element instanceof HTMLTextAreaElement ||
    element instanceof HTMLSelectElement
  );
}

/** Without files, and without the token of the session. */
export function entriesOf(form: HTMLFormElement): Entries {
  const found: Entries = [];
  for (const [name, value] of new FormData(form)) {
    if (typeof value === 'string' && name !== 'csrfmiddlewaretoken') found.push([name, value]);
  }
  return found;
}

export function bodyOf(entries: Entries): FormData {
  const body = new FormData();
  for (const [name, value] of entries) body.append(name, value);
  return body;
}

/** Put values into the controls of those names; several controls of one name are filled in order. */
export function fill(form: HTMLFormElement, entries: Entries): void {
  const values = new Map<string, string[]>();
  for (const [name, value] of entries) values.set(name, [...(values.get(name) ?? []), value]);
  const at = new Map<string, number>();
  for (const control of form.elements) {
    if (!isControl(control) || !control.name || control.name === 'csrfmiddlewaretoken') continue;
    const given = values.get(control.name);
    if (control instanceof HTMLInputElement && ['checkbox', 'radio'].includes(control.type)) {
      control.checked = given?.includes(control.value) ?? false;
      continue;
    }
    if (control instanceof HTMLInputElement && ['file', 'submit', 'button', 'password'].includes(control.type))
      continue;
    if (control instanceof HTMLSelectElement && control.multiple) {
      for (const option of control.options) option.selected = given?.includes(option.value) ?? false;
      continue;
    }
    const index = at.get(control.name) ?? 0;
    at.set(control.name, index + 1);
    const value = given?.[index];
    if (value !== undefined) control.value = value;
  }
}

/** How the page calls a control. */
export function labelOf(control: Control): string {
  const own = control.getAttribute('aria-label') ?? control.labels?.[0]?.textContent ?? control.name;
  return own.trim().replace(/\s+/g, ' ');
}
