/**
 * Saves of the editor run one after the other, each naming the revision it saw. So the editor never collides with itself,
 * and a collision with somebody else is noticed at once; what was typed stays on the screen.
 */
import { presentView, startRows } from './rows';

const DELAY = 800;

interface Work {
  key: string;
  url: string;
  body: () => FormData | string;
}

class Editor {
  private readonly waiting = new Map<string, number>();
  private readonly queue: Work[] = [];
  private running = false;
  private blocked = false;

  constructor(private readonly root: HTMLElement) {
    root.addEventListener('input', (event) => this.changed(event, DELAY));
    root.addEventListener('change', (event) => this.changed(event, 0));
    root.addEventListener('submit', (event) => {
      // A form without its own request is saved by typing; Enter must not send it away.
      const form = event.target as HTMLFormElement;
      if (form.dataset['autosave'] && !form.hasAttribute('hx-post')) event.preventDefault();
    });
    document.addEventListener('htmx:configRequest', (event) => this.addRevision(event as CustomEvent));
    document.addEventListener('htmx:confirm', (event) => this.holdBack(event as CustomEvent));
    document.addEventListener('htmx:afterRequest', (event) => this.takeRevision(event as CustomEvent));
    window.addEventListener('beforeunload', (event) => {
      if (this.waiting.size || this.queue.length || this.running) event.preventDefault();
    });
  }

  get revision(): string {
    return this.root.dataset['revision'] ?? '';
  }

  /** Put a save into the line. A later save of the same thing replaces one that has not begun. */
  save(work: Work, delay: number): void {
    window.clearTimeout(this.waiting.get(work.key));
    this.say('textSaving');
    this.waiting.set(
      work.key,
      window.setTimeout(() => {
        this.waiting.delete(work.key);
        const at = this.queue.findIndex((one) => one.key === work.key);
        if (at >= 0) this.queue.splice(at, 1);
        this.queue.push(work);
        void this.run();
      }, delay),
    );
  }

  /** Everything that waits is sent now; resolves when it is stored. */
  async settle(): Promise<void> {
    for (let round = 0; round < 200 && (this.waiting.size || this.queue.length || this.running); round += 1) {
      await new Promise((resolve) => window.setTimeout(resolve, 50));
    }
  }

  get busy(): boolean {
    return this.waiting.size > 0 || this.queue.length > 0 || this.running;
  }

  private changed(event: Event, delay: number): void {
    const target = event.target;
    if (
      !(
        target instanceof HTMLInputElement ||
        target instanceof HTMLTextAreaElement ||
        target instanceof HTMLSelectElement
      )
    )
      return;
    if (target.hasAttribute('data-field')) {
      const url = this.root.dataset['fieldsUrl'] ?? '';
      this.save({ key: `field:${target.name}`, url, body: () => fieldBody(target) }, delay);
      return;
    }
    const form = target.closest<HTMLFormElement>('form[data-autosave]');
    if (!form) return;
    if (target.name === 'visibility') showDate(form, target.value);
    const url = form.dataset['autosave'] ?? '';
    // "From a date" is saved once the date is there.
    if (form.querySelector<HTMLSelectElement>('[name=visibility]')?.value === 'from_date') {
      if (!form.querySelector<HTMLInputElement>('[name=visible_from]')?.value) return;
    }
    this.save({ key: url, url, body: () => new FormData(form) }, delay);
  }

  private async run(): Promise<void> {
    if (this.running || this.blocked) return;
    const work = this.queue.shift();
    if (!work) return;
    this.running = true;
    try {
      const response = await fetch(work.url, {
        method: 'POST',
        body: work.body(),
        headers: { 'X-CSRFToken': csrf(), 'If-Match': `"${this.revision}"`, Accept: 'application/json' },
      });
      if (response.ok) {
        this.adopt(response.headers.get('ETag'));
        this.say('textSaved');
      } else if (response.status === 409) {
        this.blocked = true;
        this.say('textConflict', true);
      } else {
        const reason = await reasonOf(response);
        this.say(reason ? 'textBusy' : 'textFailed', true, reason);
      }
    } catch {
      this.say('textFailed', true);
    } finally {
      this.running = false;
    }
    if (this.queue.length) void this.run();
    else if (!this.waiting.size) this.refresh();
  }

  private adopt(tag: string | null): void {
    const number = tag?.match(/\d+/)?.[0];
    if (number) this.root.dataset['revision'] = number;
  }

  private refresh(): void {
    document.getElementById('publishing')?.dispatchEvent(new Event('case:changed'));
  }

  private addRevision(event: CustomEvent): void {
    const { elt, headers, verb } = event.detail as { elt: Element; headers: Record<string, string>; verb: string };
    if (verb !== 'get' && this.root.contains(elt)) headers['If-Match'] = `"${this.revision}"`;
  }

  /** A change of the structure waits for the text that was typed before it. */
  private holdBack(event: CustomEvent): void {
    const { elt, verb, issueRequest } = event.detail as {
      elt: Element;
      verb: string;
      issueRequest: (skip?: boolean) => void;
    };
    if (verb === 'get' || !this.root.contains(elt) || !this.busy) return;
    event.preventDefault();
    void this.settle().then(() => issueRequest(true));
  }

  private takeRevision(event: CustomEvent): void {
    const { elt, xhr, successful, requestConfig } = event.detail as {
      elt: Element;
      xhr: XMLHttpRequest;
      successful: boolean;
      requestConfig: { verb: string };
    };
    if (!this.root.contains(elt) && elt.isConnected) return;
    if (xhr.status === 409) this.say('textConflict', true);
    if (!successful) return;
    this.adopt(xhr.getResponseHeader('ETag'));
    if (requestConfig.verb !== 'get') {
      this.say('textSaved');
      const publishing = document.getElementById('publishing');
      if (!publishing?.contains(elt)) this.refresh();
    }
  }

  private say(key: string, failed = false, reason = ''): void {
    const state = document.querySelector<HTMLElement>('[data-save-state]');
    if (!state) return;
    state.textContent = (this.root.dataset[key] ?? '').replace('%(reason)s', reason);
    state.classList.toggle('is-failed', failed);
  }
}

function fieldBody(field: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement): FormData {
  const body = new FormData();
  const value = field instanceof HTMLInputElement && field.type === 'checkbox' ? String(field.checked) : field.value;
  body.set(field.name, value);
  return body;
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

async function reasonOf(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { detail?: string; fields?: Record<string, string[]> };
    return (
      Object.values(body.fields ?? {})
        .flat()
        .join(' ') ||
      body.detail ||
      ''
    );
  } catch {
    return '';
  }
}

/** Text areas grow with their text. */
function grow(area: HTMLTextAreaElement): void {
  if (CSS.supports('field-sizing', 'content')) return;
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight + 2}px`;
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
    if (on) void editor.settle().then(() => button.dispatchEvent(new Event('preview:open')));
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
    editor.save({ key: 'layout', url: button.dataset['layoutUrl'] ?? '', body: () => body }, 0);
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
    const body = new FormData();
    body.set(name, JSON.stringify(rows));
    editor.save({ key: `field:${name}`, url: root.dataset['fieldsUrl'] ?? '', body: () => body }, DELAY);
  });
  startPreview(editor);
  startLayout(root, editor);
  for (const area of root.querySelectorAll<HTMLTextAreaElement>('[data-grow]')) grow(area);
  root.addEventListener('input', (event) => {
    if (event.target instanceof HTMLTextAreaElement && event.target.hasAttribute('data-grow')) grow(event.target);
  });
  document.addEventListener('htmx:afterSettle', () => {
    countThings();
    root.querySelector<HTMLElement>('[data-focus-me] textarea')?.focus();
    for (const area of root.querySelectorAll<HTMLTextAreaElement>('[data-grow]')) grow(area);
  });
  // What the marks are is asked anew once the viewer has stored them; the case has a new revision then.
  document.addEventListener('viewer:saved', () => {
    document.getElementById('truth')?.dispatchEvent(new Event('truth:changed'));
    document.getElementById('publishing')?.dispatchEvent(new Event('case:changed'));
  });
  document.addEventListener('case:state', () => window.location.reload());
}
