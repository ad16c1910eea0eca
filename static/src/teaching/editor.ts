/** The case editor: what is typed goes to the part it belongs to; conflicts are put before the person who writes. */

import { type Control, type Entries, entriesOf, fill, isControl } from '../lib/form-values';
import { htmx } from '../lib/htmx';
import { drop, keep, kept, keptNames } from '../lib/kept-text';
import { askWhichStays, clashIn, parsed, readable, type Side, sidesOf, storedEntries, writeTexts } from './conflict';
import { presentView, startRows } from './rows';
import { type Clash, type Part, revisionOf, Saves } from './saves';

const DELAY = 800;

interface KeptPart {
  url: string;
  content: Entries | string;
  seen: string;
}

class Editor {
  readonly saves: Saves;
  /** Tells the pages of one person apart. */
  private readonly page = [...crypto.getRandomValues(new Uint8Array(12))].map((n) => n.toString(36)).join('');
  private readonly clashes = new Map<Part, Clash>();
  private isAsking = false;
  private hasSaved = false;

  constructor(private readonly root: HTMLElement) {
    this.saves = new Saves(root.dataset['revision'] ?? '', {
      clashed: (part, clash) => void this.clashed(part, clash),
      changed: (part) => {
        if (part.state === 'saved') drop(this.placeOf(part));
        else keep(this.placeOf(part), { url: part.url, content: part.content, seen: part.seen } satisfies KeptPart);
        this.say();
      },
      settled: () => this.refresh(),
      headers: () => ({ 'X-CSRFToken': csrf(), 'X-Editor': this.page }),
    });
    root.addEventListener('input', (event) => this.changed(event, DELAY));
    root.addEventListener('change', (event) => this.changed(event, 0));
    root.addEventListener('submit', (event) => {
      // A form without its own request is saved by typing; Enter must not send it away.
      const form = event.target as HTMLFormElement;
      if (form.dataset['autosave'] && !form.hasAttribute('hx-post')) event.preventDefault();
    });
    document.addEventListener('htmx:configRequest', (event) => this.addRevision(event as CustomEvent));
    document.addEventListener('htmx:confirm', (event) => this.holdBack(event as CustomEvent));
    document.addEventListener('htmx:afterRequest', (event) => this.answered(event as CustomEvent));
    document.addEventListener('htmx:afterSettle', () => this.fillAgain());
    document.querySelector('[data-compare]')?.addEventListener('click', () => void this.ask());
    window.addEventListener('beforeunload', (event) => {
      if (this.saves.unsaved.length) event.preventDefault();
    });
  }

  private placeOf(part: { key: string }): string {
    return `case:${this.root.dataset['fieldsUrl']}:${part.key}`;
  }

  /** What this browser still holds unsaved comes back to the screen and is sent. */
  async resume(): Promise<void> {
    const start = this.placeOf({ key: '' });
    let isHidden = false;
    for (const name of keptNames(start)) {
      const found = await kept<KeptPart>(name);
      if (!found) continue;
      const part = this.saves.part(name.slice(start.length), found.value.url);
      const { content, seen } = found.value;
      part.seen = seen;
      const [form, field] = [this.formOf(part), this.fieldOf(part)];
      if (form && typeof content !== 'string') fill(form, content);
      else if (field && typeof content !== 'string') write(field, content[0]?.[1] ?? '');
      else isHidden = true;
      this.saves.save(part, content, 0);
    }
    this.grow();
    if (!isHidden) return;
    await this.saves.finish();
    // Lists are drawn by the page, from what is stored.
    if (!this.saves.unsaved.length) window.location.reload();
  }

  private partOf(form: HTMLFormElement): Part {
    const url = form.dataset['autosave'] ?? '';
    return this.saves.part(url, url);
  }

  /** A field of the case that is saved by itself. */
  saveField(name: string, value: string, delay: number): void {
    this.saves.save(this.saves.part(`field:${name}`, this.root.dataset['fieldsUrl'] ?? ''), [[name, value]], delay);
  }

  private changed(event: Event, delay: number): void {
    const target = event.target;
    if (!isControl(target)) return;
    if (target.hasAttribute('data-field')) {
      this.saveField(target.name, typedInto(target), delay);
      return;
    }
    const form = target.closest<HTMLFormElement>('form[data-autosave]');
    if (!form) return;
    if (target.name === 'visibility') showDate(form, target.value);
    const [part, entries] = [this.partOf(form), entriesOf(form)];
    const isDateMissing =
      form.querySelector<HTMLSelectElement>('[name=visibility]')?.value === 'from_date' &&
      !form.querySelector<HTMLInputElement>('[name=visible_from]')?.value;
    if (isDateMissing) this.saves.hold(part, entries);
    else this.saves.save(part, entries, delay);
  }

  // Conflicts ----------------------------------------------------------------------------------------------------------

  private formOf(part: Part): HTMLFormElement | null {
    return this.root.querySelector<HTMLFormElement>(`form[data-autosave="${CSS.escape(part.key)}"]`);
  }

  private fieldOf(part: Part): Control | null {
    const name = part.key.replace(/^field:/, '');
    return this.root.querySelector<Control>(`[data-field][name="${CSS.escape(name)}"]`);
  }

  private async clashed(part: Part, clash: Clash): Promise<void> {
    const stored = storedEntries(clash);
    if (part.unanswered && stored && part.unanswered === JSON.stringify(stored)) {
      // Our own words, stored although the answer never came.
      part.unanswered = '';
      part.seen = String(clash.version);
      part.state = 'saved';
      this.saves.save(part, part.content, 0);
      return;
    }
    this.clashes.set(part, clash);
    await this.ask();
  }

  /** Put the next conflict before the person. */
  private async ask(): Promise<void> {
    const next = [...this.clashes][0];
    if (this.isAsking || !next) return;
    this.isAsking = true;
    const [part, clash] = next;
    const form = this.formOf(part);
    const choice = await askWhichStays({
      name: this.nameOf(part),
      by: clash.by,
      mine: form ? sidesOf(form) : this.fieldSides(part, new Map(part.content as Entries)),
      theirs: clash.html ? sidesOf(parsed(clash.html)) : this.fieldSides(part, new Map(storedEntries(clash) ?? [])),
    });
    this.isAsking = false;
    if (choice.keep === 'later') return;
    this.clashes.delete(part);
    if (choice.keep === 'theirs') this.takeStored(part, clash);
    else this.keepMine(part, clash, choice.texts);
    this.say();
    await this.ask();
  }

  private keepMine(part: Part, clash: Clash, texts: Map<string, string>): void {
    const [form, field] = [this.formOf(part), this.fieldOf(part)];
    this.saves.settle(part, String(clash.version));
    if (form) {
      writeTexts(form, texts);
      this.saves.save(part, entriesOf(form), 0);
    } else if (field) {
      const text = [...texts.values()][0];
      if (text !== undefined && !(field instanceof HTMLSelectElement)) field.value = text;
      this.saveField(field.name, typedInto(field), 0);
    } else {
      this.saves.save(part, part.content, 0);
    }
  }

  private takeStored(part: Part, clash: Clash): void {
    const [form, field] = [this.formOf(part), this.fieldOf(part)];
    this.saves.settle(part, String(clash.version));
    if (form && clash.html) {
      const fresh = parsed(clash.html);
      form.replaceWith(fresh);
      htmx.process(fresh);
      this.grow();
    } else if (field) {
      write(field, storedEntries(clash)?.[0]?.[1] ?? '');
      this.grow();
    } else {
      // A list or the opening view: drawn anew by the page.
      void this.saves.finish().then(() => window.location.reload());
    }
  }

  private nameOf(part: Part): string {
    const form = this.formOf(part);
    if (form) return form.getAttribute('aria-label') ?? '';
    const field = this.fieldOf(part);
    return field ? (field.labels?.[0]?.textContent ?? '') : '';
  }

  private fieldSides(part: Part, values: Map<string, string>): Side[] {
    const field = this.fieldOf(part);
    const isText = field !== null && !(field instanceof HTMLSelectElement) && field.type !== 'checkbox';
    return [...values.values()].map((value) => ({
      label: this.nameOf(part) || '–',
      value:
        field instanceof HTMLSelectElement
          ? ([...field.options].find((option) => option.value === value)?.textContent ?? value)
          : readable(value),
      isText,
    }));
  }

  // Changes of the structure -------------------------------------------------------------------------------------------

  private addRevision(event: CustomEvent): void {
    const { elt, headers, verb } = event.detail as { elt: Element; headers: Record<string, string>; verb: string };
    if (verb === 'get' || !this.root.contains(elt)) return;
    const form = elt.closest<HTMLFormElement>('form[data-autosave]');
    headers['If-Match'] = `"${form ? this.partOf(form).seen : (this.root.dataset['revision'] ?? '')}"`;
    headers['X-Editor'] = this.page;
  }

  /** A change of the structure waits for the text that was typed before it. */
  private holdBack(event: CustomEvent): void {
    const { elt, verb, issueRequest } = event.detail as {
      elt: Element;
      verb: string;
      issueRequest: (skip?: boolean) => void;
    };
    if (verb === 'get' || !this.root.contains(elt) || !this.saves.isBusy) return;
    event.preventDefault();
    void this.saves.finish().then(() => issueRequest(true));
  }

  private answered(event: CustomEvent): void {
    const { elt, xhr, successful, target, requestConfig } = event.detail as {
      elt: Element;
      xhr: XMLHttpRequest;
      successful: boolean;
      target: Element | null;
      requestConfig: { verb: string; headers: Record<string, string> };
    };
    if (requestConfig.headers['X-Editor'] !== this.page) return;
    if (xhr.status === 409) {
      const form = elt.closest<HTMLFormElement>('form[data-autosave]');
      const clash = clashIn(xhr.responseText);
      if (form && clash) this.refusedChange(form, clash);
    }
    if (!successful) return;
    const seen = revisionOf(xhr.getResponseHeader('ETag'));
    if (seen && target) this.sawAll(target, seen);
    this.hasSaved = true;
    this.say();
    const publishing = document.getElementById('publishing');
    if (!publishing?.contains(elt)) this.refresh();
  }

  /** A button of the form was pressed, and the form had been changed elsewhere: show that first. */
  private refusedChange(form: HTMLFormElement, clash: Clash): void {
    const part = this.partOf(form);
    const before = JSON.stringify(entriesOf(form));
    if (before === JSON.stringify(storedEntries(clash))) {
      this.saves.settle(part, String(clash.version));
      return;
    }
    part.content = entriesOf(form);
    this.saves.clash(part, clash);
  }

  /** What a change of the structure has drawn anew is shown as it is stored; what is not saved yet stays. */
  private sawAll(target: Element, seen: string): void {
    const area = target.id ? document.getElementById(target.id) : target;
    for (const form of area?.querySelectorAll<HTMLFormElement>('form[data-autosave]') ?? []) {
      const part = this.partOf(form);
      if (part.state === 'saved') part.seen = seen;
    }
    if (area?.matches('form[data-autosave]')) {
      const part = this.partOf(area as HTMLFormElement);
      if (part.state === 'saved') part.seen = seen;
    }
  }

  private fillAgain(): void {
    for (const part of this.saves.unsaved) {
      const form = this.formOf(part);
      if (form && typeof part.content !== 'string') fill(form, part.content);
    }
    this.grow();
  }

  private grow(): void {
    for (const area of this.root.querySelectorAll<HTMLTextAreaElement>('[data-grow]')) grow(area);
  }

  private refresh(): void {
    document.getElementById('publishing')?.dispatchEvent(new Event('case:changed'));
  }

  // What is said above the page ----------------------------------------------------------------------------------------

  private say(): void {
    const state = document.querySelector<HTMLElement>('[data-save-state]');
    if (!state) return;
    const { saves } = this;
    const refused = saves.find('refused');
    const conflict = saves.find('conflict');
    let key = 'textSaved';
    if (conflict) key = 'textConflict';
    else if (refused) key = refused.reason ? 'textBusy' : 'textFailed';
    else if (saves.find('waiting')) key = 'textWaiting';
    else if (saves.find('incomplete')) key = 'textIncomplete';
    else if (saves.isBusy) key = 'textSaving';
    if (saves.unsaved.length) this.hasSaved = true;
    else if (!this.hasSaved) return;
    state.textContent = (this.root.dataset[key] ?? '').replace('%(reason)s', refused?.reason ?? '');
    state.classList.toggle('is-failed', !['textSaved', 'textSaving'].includes(key));
    const compare = document.querySelector<HTMLElement>('[data-compare]');
    if (compare) compare.hidden = !conflict;
  }
}

function write(field: Control, value: string): void {
  if (field instanceof HTMLInputElement && field.type === 'checkbox') field.checked = value === 'true';
  else field.value = value;
}

function typedInto(field: Control): string {
  return field instanceof HTMLInputElement && field.type === 'checkbox' ? String(field.checked) : field.value;
}

function showDate(form: HTMLFormElement, visibility: string): void {
  form.dataset['visibility'] = visibility;
  const date = form.querySelector<HTMLInputElement>('[name=visible_from]');
  if (date) date.hidden = visibility !== 'from_date';
}

function csrf(): string {
  const headers = document.body.getAttribute('hx-headers') ?? '{}';
  return (JSON.parse(headers) as Record<string, string>)['X-CSRFToken'] ?? '';
}

/** Text areas grow with their text. */
function grow(area: HTMLTextAreaElement): void {
  if (CSS.supports('field-sizing', 'content')) return;
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight + 2}px`;
}

/** What was added has the focus, once; a prefilled question is selected, so that typing replaces it. */
function focusAdded(root: HTMLElement): void {
  const added = root.querySelector<HTMLElement>('[data-focus-me]');
  if (!added) return;
  added.removeAttribute('data-focus-me');
  const field = added.matches('input') ? added : added.querySelector<HTMLElement>('textarea');
  field?.focus();
  if (field instanceof HTMLTextAreaElement) field.select();
}

function startPreview(editor: Editor): void {
  const button = document.querySelector<HTMLElement>('[data-preview-switch]');
  const preview = document.getElementById('case-preview');
  const area = document.querySelector<HTMLElement>('[data-edit-area]');
  if (!button || !preview || !area) return;
  const truth = (): HTMLElement | null => document.querySelector('[data-preview-truth]');
  button.addEventListener('click', () => {
    const on = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(on));
    preview.hidden = !on;
    area.hidden = on;
    document.getElementById('viewer')?.toggleAttribute('data-previewing', on);
    if (truth()?.getAttribute('aria-pressed') === String(on)) truth()?.click();
    if (on) void editor.saves.finish().then(() => button.dispatchEvent(new Event('preview:open')));
  });
}

function countThings(): void {
  const questions = document.querySelectorAll('.question-editor').length;
  const count = document.querySelector<HTMLElement>('[data-question-count]');
  if (count) count.textContent = String(questions);
  const blocking = document.querySelector<HTMLElement>('[data-blocking]')?.dataset['blocking'] ?? '0';
  const badge = document.querySelector<HTMLElement>('[data-blocking-count]');
  if (badge) {
    badge.textContent = blocking;
    badge.hidden = blocking === '0';
  }
}

/** The case opens for everybody as the viewer stands now: layout, images, windows. */
function startLayout(root: HTMLElement, editor: Editor): void {
  const button = root.querySelector<HTMLElement>('[data-layout-url]');
  button?.addEventListener('click', () => {
    const view = presentView();
    if (!view) return;
    const viewports = view.panes.map((pane) => ({
      series: pane.series,
      sop: pane.sop,
      frame: pane.frame ?? 1,
      window: pane.window,
      invert: pane.inverted,
    }));
    const body = JSON.stringify({ rows: view.rows, columns: view.columns, viewports });
    editor.saves.save(editor.saves.part('field:layout', button.dataset['layoutUrl'] ?? ''), body, 0);
  });
}

/** The part of the case one works on stays in front when the page is loaded anew (after undo, after publishing). */
function keepTab(root: HTMLElement): void {
  const key = `case.tab.${root.dataset['fieldsUrl']}`;
  const tabs = root.querySelectorAll<HTMLElement>('[role=tab]');
  for (const tab of tabs) tab.addEventListener('click', () => sessionStorage.setItem(key, tab.id));
  const last = document.getElementById(sessionStorage.getItem(key) ?? '');
  if (last && root.contains(last)) void customElements.whenDefined('tab-container').then(() => last.click());
}

export function startEditor(): void {
  const root = document.getElementById('case-editor');
  if (!root) return;
  keepTab(root);
  const editor = new Editor(root);
  startRows(root, (name, rows) => {
    editor.saveField(name, JSON.stringify(rows), DELAY);
  });
  void editor.resume();
  startPreview(editor);
  startLayout(root, editor);
  for (const area of root.querySelectorAll<HTMLTextAreaElement>('[data-grow]')) grow(area);
  root.addEventListener('input', (event) => {
    if (event.target instanceof HTMLTextAreaElement && event.target.hasAttribute('data-grow')) grow(event.target);
  });
  document.addEventListener('htmx:afterSettle', () => {
    countThings();
    focusAdded(root);
    for (const area of root.querySelectorAll<HTMLTextAreaElement>('[data-grow]')) grow(area);
  });
  // What the marks are is asked anew once the viewer has stored them; the case has a new revision then.
  document.addEventListener('viewer:saved', () => {
    document.getElementById('truth')?.dispatchEvent(new Event('truth:changed'));
    document.getElementById('publishing')?.dispatchEvent(new Event('case:changed'));
  });
  document.addEventListener('case:state', () => window.location.reload());
}
