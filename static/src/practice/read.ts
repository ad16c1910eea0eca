/** The form of a read: each change is kept on the server, so that a reload, a crash or another machine loses nothing. */

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

class Draft {
  private timer: number | undefined;
  private sending = false;
  private again = false;

  constructor(private readonly form: HTMLFormElement) {
    form.addEventListener('input', () => this.later());
    form.addEventListener('change', () => {
      this.follow();
      this.later();
    });
    this.follow();
  }

  /** The scale under "nothing to mark" belongs to that answer only. */
  private follow(): void {
    for (const box of this.form.querySelectorAll<HTMLInputElement>('[data-none]')) {
      const scale = box.closest('[data-question]')?.querySelector<HTMLElement>('[data-confidence-of-none]');
      if (scale) scale.hidden = !box.checked;
    }
  }

  private later(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.send(), DELAY);
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
    this.sending = true;
    const { draftUrl = '', draftVersion = '0', textSaved, textSaving, textFailed, textConflict } = this.form.dataset;
    this.say(textSaving);
    try {
      const response = await fetch(draftUrl, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json', 'X-CSRFToken': csrf(this.form) },
        body: JSON.stringify({ version: Number(draftVersion), draft: answersOf(this.form) }),
      });
      if (response.ok) {
        const { version } = (await response.json()) as { version: number };
        this.form.dataset['draftVersion'] = String(version);
        this.say(textSaved);
      } else if (response.status === 423) {
        // Committed in another window: this page shows an old state.
        window.location.reload();
      } else {
        this.say(response.status === 409 ? textConflict : textFailed, true);
      }
    } catch {
      this.say(textFailed, true);
      this.later();
    } finally {
      this.sending = false;
    }
    if (this.again) {
      this.again = false;
      this.later();
    }
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
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    const form = document.querySelector<HTMLFormElement>('#read-form');
    if (!form) return;
    event.preventDefault();
    form.requestSubmit();
  });
}
