/** The form of a read: each change is kept on the server, so that a reload, a crash or another machine loses nothing. */
import { type Entries, entriesOf, fill } from '../lib/form-values';
import { drop, keep, kept } from '../lib/kept-text';

const DELAY = 700;

type Answer = { choice?: string[]; text?: string; none?: boolean; confidence?: string };

/** The answers as the server keeps them: question id → what was given. */
export function answersOf(form: HTMLFormElement): Record<string, Answer> {
  const found: Record<string, Answer> = {};
  for (const question of form.querySelectorAll<HTMLElement>('[data-question]')) {
    found[question.dataset['question'] ?? ''] = {};
  }
  for (const [name, value] of new FormData(form)) {
    const at = name.indexOf('-');
    const answer = found[name.slice(at + 1)];
    if (at < 0 || !answer || typeof value !== 'string') continue;
    const kind = name.slice(0, at);
    if (kind === 'choice') answer.choice = [...(answer.choice ?? []), value];
    if (kind === 'text') answer.text = value;
    if (kind === 'none') answer.none = true;
    if (kind === 'confidence') answer.confidence = value;
  }
  return found;
}

interface KeptAnswers {
  version: string;
  entries: Entries;
}

const RETRIES = [2000, 5000, 15_000, 30_000];

class Draft {
  private timer: number | undefined;
  private sending = false;
  private again = false;
  private failures = 0;
  private readonly place: string;

  constructor(private readonly form: HTMLFormElement) {
    this.place = `read:${form.dataset['draftUrl']}`;
    form.addEventListener('input', () => this.changed());
    form.addEventListener('change', () => {
      this.follow();
      this.changed();
    });
    window.addEventListener('online', () => this.timer !== undefined && void this.send());
    document.addEventListener('htmx:afterRequest', (event) => {
      const { elt, successful } = (event as CustomEvent<{ elt: Element; successful: boolean }>).detail;
      if (elt === form && successful) drop(this.place);
    });
    this.follow();
    void this.resume();
  }

  /** The scale under "nothing to mark" belongs to that answer only. */
  private follow(): void {
    for (const box of this.form.querySelectorAll<HTMLInputElement>('[data-none]')) {
      const scale = box.closest('[data-question]')?.querySelector<HTMLElement>('[data-confidence-of-none]');
      if (scale) scale.hidden = !box.checked;
    }
  }

  /** Answers that this browser holds and the server does not have. */
  private async resume(): Promise<void> {
    const found = await kept<KeptAnswers>(this.place);
    if (!found || JSON.stringify(found.value.entries) === JSON.stringify(entriesOf(this.form))) return;
    const take = (): void => {
      fill(this.form, found.value.entries);
      this.follow();
      this.changed();
    };
    if (found.value.version === this.form.dataset['draftVersion']) take();
    else this.form.prepend(this.offer(take));
  }

  /** Another window has answered since: the person decides. */
  private offer(take: () => void): HTMLElement {
    const box = Object.assign(document.createElement('div'), { className: 'notice is-query kept-notice' });
    box.setAttribute('role', 'status');
    const words = Object.assign(document.createElement('div'), { textContent: this.form.dataset['textKept'] ?? '' });
    const button = (label: string | undefined, act: () => void): HTMLButtonElement => {
      const made = Object.assign(document.createElement('button'), {
        type: 'button',
        className: 'button button-small',
      });
      made.textContent = label ?? '';
      made.addEventListener('click', () => {
        box.remove();
        act();
      });
      return made;
    };
    const { textUse, textDiscard } = this.form.dataset;
    box.append(
      words,
      button(textUse, take),
      button(textDiscard, () => drop(this.place)),
    );
    return box;
  }

  private changed(): void {
    const { draftVersion = '0', textSaving } = this.form.dataset;
    keep(this.place, { version: draftVersion, entries: entriesOf(this.form) } satisfies KeptAnswers);
    this.say(textSaving);
    this.later(DELAY);
  }

  private later(milliseconds: number): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.send(), milliseconds);
  }

  private say(text: string | undefined, failed = false): void {
    const state = document.querySelector<HTMLElement>('[data-draft-state]');
    if (!state) return;
    state.textContent = text ?? '';
    state.classList.toggle('is-failed', failed);
  }

  private async send(): Promise<void> {
    if (this.sending) {
      this.again = true;
      return;
    }
    if (!this.form.isConnected) return;
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.sending = true;
    const { draftUrl = '', draftVersion = '0', textSaved, textFailed, textConflict } = this.form.dataset;
    const sent = JSON.stringify(answersOf(this.form));
    try {
      const response = await fetch(draftUrl, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json', 'X-CSRFToken': csrf(this.form) },
        body: `{"version": ${Number(draftVersion)}, "draft": ${sent}}`,
      });
      if (response.ok) {
        const { version } = (await response.json()) as { version: number };
        this.form.dataset['draftVersion'] = String(version);
        this.failures = 0;
        if (sent === JSON.stringify(answersOf(this.form))) {
          drop(this.place);
          this.say(textSaved);
        } else this.changed();
      } else if (response.status === 423) {
        // Committed in another window: this page shows an old state.
        drop(this.place);
        window.location.reload();
      } else if (response.status >= 500 || response.status === 429) {
        this.retry();
      } else {
        this.say(response.status === 409 ? textConflict : textFailed, true);
      }
    } catch {
      this.retry();
    } finally {
      this.sending = false;
    }
    if (this.again) {
      this.again = false;
      this.later(DELAY);
    }
  }

  private retry(): void {
    this.say(this.form.dataset['textWaiting'], true);
    this.later(RETRIES[Math.min(this.failures, RETRIES.length - 1)] as number);
    this.failures += 1;
  }
}

function csrf(form: HTMLFormElement): string {
  return form.querySelector<HTMLInputElement>('input[name=csrfmiddlewaretoken]')?.value ?? '';
}

/** Digits rate where a scale has the focus, and choose an option in the rest of a question. */
function chooseByDigit(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  if (!/^[1-9]$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.matches('textarea, input[type=text]')) return;
  const scale = target.closest('.scale');
  const options = scale
    ? scale.querySelectorAll<HTMLInputElement>('input')
    : target.closest('[data-question]')?.querySelectorAll<HTMLInputElement>('.option input');
  const option = options?.[Number(event.key) - 1];
  if (!option) return;
  event.preventDefault();
  event.stopPropagation();
  option.checked = option.type === 'radio' ? true : !option.checked;
  option.focus();
  option.dispatchEvent(new Event('change', { bubbles: true }));
}

/** Enter chooses what has the focus. Browsers would send the form: a read is committed by its button or Ctrl+Enter alone. */
function chooseByEnter(event: KeyboardEvent): void {
  const { target } = event;
  if (event.key !== 'Enter' || event.ctrlKey || event.metaKey) return;
  if (!(target instanceof HTMLInputElement) || !target.closest('#read-form')) return;
  event.preventDefault();
  if (!(target.type === 'radio' && target.checked)) target.click();
}

function adopt(): void {
  const form = document.querySelector<HTMLFormElement>('#read-form');
  if (form && !form.dataset['adopted']) {
    form.dataset['adopted'] = '1';
    new Draft(form);
  }
}

export function startRead(): void {
  adopt();
  document.addEventListener('htmx:afterSettle', () => {
    adopt();
    const first = document.querySelector<HTMLElement>('#read-panel [data-focus-me]');
    first?.focus();
    if (!document.querySelector('#read-form')) document.querySelector('.viewer-panel-scroll')?.scrollTo({ top: 0 });
  });
  document.addEventListener('keydown', chooseByDigit, { capture: true });
  document.addEventListener('keydown', chooseByEnter);
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    const form = document.querySelector<HTMLFormElement>('#read-form');
    if (!form) return;
    event.preventDefault();
    form.requestSubmit();
  });
}
