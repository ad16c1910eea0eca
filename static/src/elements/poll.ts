/**
 * <pw-poll src="…" every="2"> asks the server again after that many seconds and morphs itself into the answer, which
 * sets the next interval. It rests while the page is hidden and backs off when the server does not answer.
 */
import { htmx } from '../lib/htmx';
import { text } from '../lib/text';
import { showToast } from '../lib/toasts';

const LONGEST = 60;

class Poll extends HTMLElement {
  static readonly observedAttributes = ['every'];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;

  connectedCallback(): void {
    document.addEventListener('visibilitychange', this.#onVisibility);
    document.addEventListener('pw:jobs-changed', this.#now);
    this.#schedule();
  }

  disconnectedCallback(): void {
    document.removeEventListener('visibilitychange', this.#onVisibility);
    document.removeEventListener('pw:jobs-changed', this.#now);
    clearTimeout(this.#timer);
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#schedule();
  }

  #onVisibility = (): void => {
    if (document.hidden) clearTimeout(this.#timer);
    else this.#now();
  };

  #now = (): void => {
    clearTimeout(this.#timer);
    void this.#ask();
  };

  #schedule(): void {
    clearTimeout(this.#timer);
    const every = Number(this.getAttribute('every'));
    if (!every || document.hidden) return;
    const seconds = Math.min(LONGEST, every * 2 ** this.#failures);
    this.#timer = setTimeout(() => void this.#ask(), seconds * 1000);
  }

  async #ask(): Promise<void> {
    const src = this.getAttribute('src');
    if (!src) return;
    const before = this.#states();
    try {
      const answer = await fetch(src, { headers: { 'HX-Request': 'true', 'HX-Target': this.id }, redirect: 'error' });
      if (!answer.ok) throw new Error(String(answer.status));
      this.#failures = 0;
      htmx.swap(this, await answer.text(), { swapStyle: 'morph:outerHTML', swapDelay: 0, settleDelay: 0 } as never, {
        contextElement: this,
      });
      this.#announce(before);
    } catch {
      this.#failures = Math.min(this.#failures + 1, 6);
    }
    this.#schedule();
  }

  #states(): Map<string, HTMLElement> {
    const found = new Map<string, HTMLElement>();
    for (const job of this.querySelectorAll<HTMLElement>('[data-job]')) {
      found.set(job.dataset['job'] ?? '', job.cloneNode(true) as HTMLElement);
    }
    return found;
  }

  /** Say when work that was running has ended. */
  #announce(before: Map<string, HTMLElement>): void {
    for (const job of this.querySelectorAll<HTMLElement>('[data-job]')) {
      const earlier = before.get(job.dataset['job'] ?? '');
      const state = job.dataset['state'];
      if (earlier?.dataset['active'] !== 'true' || job.dataset['active'] === 'true') continue;
      const title = job.dataset['title'] ?? '';
      const href = job.dataset['result'];
      showToast({
        message: `${title}: ${job.dataset['stateName'] ?? ''}`,
        tone: state === 'succeeded' ? 'pass' : state === 'failed' ? 'fail' : 'info',
        ...(href ? { href, linkText: text('openResult', 'Open the result') } : {}),
      });
      document.dispatchEvent(new CustomEvent('pw:job-ended', { detail: { id: job.dataset['job'], state } }));
    }
  }
}

customElements.define('pw-poll', Poll);
