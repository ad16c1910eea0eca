/**
 * Saves of the editor. Each part (a section, a question, a field) is saved by itself, one after the other, and names the
 * revision at which this page saw it, so that nothing is overwritten that was not seen. What is said above the page is said
 * of all parts together: "saved" only when every one is.
 */
import { bodyOf, type Entries } from '../lib/form-values';

/** Refused saves wait for a change, those without a connection for the connection, conflicts for a decision. */
type State = 'saved' | 'typing' | 'due' | 'sending' | 'waiting' | 'refused' | 'incomplete' | 'conflict';

export interface Part {
  readonly key: string;
  readonly url: string;
  /** The revision at which this page saw it. */
  seen: string;
  state: State;
  /** What is to be stored: fields, or a document. */
  content: Entries | string;
  /** Sent without an answer: the server may have stored it. */
  unanswered: string;
  reason: string;
  timer: number;
}

export interface Clash {
  version: number;
  by: string;
  html?: string;
  values?: Record<string, unknown>;
}

export interface Listener {
  clashed(part: Part, clash: Clash): void;
  changed(part: Part): void;
  /** Nothing is on its way any more. */
  settled(): void;
  headers(): Record<string, string>;
}

const RETRIES = [2000, 5000, 15_000, 30_000];
const WORTH_ANOTHER_TRY = new Set([408, 425, 429, 500, 502, 503, 504, 507]);

export class Saves {
  readonly #parts = new Map<string, Part>();
  readonly #listener: Listener;
  #running = false;
  #failures = 0;
  #retry = 0;

  constructor(
    private readonly revision: string,
    listener: Listener,
  ) {
    this.#listener = listener;
    window.addEventListener('online', () => this.again());
  }

  part(key: string, url: string): Part {
    let part = this.#parts.get(key);
    if (!part) {
      part = {
        key,
        url,
        seen: this.revision,
        state: 'saved',
        content: [],
        unanswered: '',
        reason: '',
        timer: 0,
      };
      this.#parts.set(key, part);
    }
    return part;
  }

  get unsaved(): Part[] {
    return [...this.#parts.values()].filter((part) => part.state !== 'saved');
  }

  get isBusy(): boolean {
    return this.unsaved.some((part) => ['typing', 'due', 'sending'].includes(part.state));
  }

  find(...states: State[]): Part | undefined {
    return this.unsaved.find((part) => states.includes(part.state));
  }

  /** Store this, `delay` milliseconds after the last change. */
  save(part: Part, content: Entries | string, delay: number): void {
    part.content = content;
    if (part.state === 'conflict') {
      this.#listener.changed(part);
      return;
    }
    window.clearTimeout(part.timer);
    part.state = 'typing';
    part.timer = window.setTimeout(() => {
      part.state = 'due';
      void this.#run();
    }, delay);
    this.#listener.changed(part);
  }

  /** It cannot be stored as it is: something that belongs to it is missing. */
  hold(part: Part, content: Entries): void {
    window.clearTimeout(part.timer);
    part.content = content;
    if (part.state !== 'conflict') part.state = 'incomplete';
    this.#listener.changed(part);
  }

  /** The page shows what is stored at this revision. */
  settle(part: Part, seen: string): void {
    window.clearTimeout(part.timer);
    part.state = 'saved';
    part.seen = seen;
    part.unanswered = '';
    this.#listener.changed(part);
  }

  clash(part: Part, clash: Clash): void {
    part.state = 'conflict';
    this.#listener.clashed(part, clash);
    this.#listener.changed(part);
  }

  /** What waits is sent now; resolves when nothing is on its way. */
  async finish(): Promise<void> {
    for (const part of this.unsaved) {
      if (part.state !== 'typing') continue;
      window.clearTimeout(part.timer);
      part.state = 'due';
    }
    void this.#run();
    for (let round = 0; round < 200 && this.isBusy; round += 1) {
      await new Promise((resolve) => window.setTimeout(resolve, 50));
    }
  }

  /** Parts that waited for the connection try again. */
  again(): void {
    window.clearTimeout(this.#retry);
    for (const part of this.unsaved) if (part.state === 'waiting') part.state = 'due';
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let part = this.find('due'); part; part = this.find('due')) await this.#send(part);
    } finally {
      this.#running = false;
    }
    if (!this.isBusy) this.#listener.settled();
  }

  async #send(part: Part): Promise<void> {
    const { content } = part;
    part.state = 'sending';
    this.#listener.changed(part);
    let response: Response;
    try {
      response = await fetch(part.url, {
        method: 'POST',
        body: typeof content === 'string' ? content : bodyOf(content),
        headers: { ...this.#listener.headers(), 'If-Match': `"${part.seen}"`, Accept: 'application/json' },
      });
    } catch {
      part.unanswered = JSON.stringify(content);
      this.#wait(part);
      return;
    }
    if (response.ok) {
      this.#failures = 0;
      part.seen = revisionOf(response.headers.get('ETag')) ?? part.seen;
      part.unanswered = '';
      // Typed on while it was sent: `save` has set another state.
      if (this.#isStill(part, 'sending')) part.state = 'saved';
      this.#listener.changed(part);
      return;
    }
    const answer = (await response.json().catch(() => ({}))) as Partial<Clash> & {
      code?: string;
      detail?: string;
      fields?: Record<string, string[]>;
    };
    if (response.status === 409 && answer.version !== undefined) {
      window.clearTimeout(part.timer);
      this.clash(part, answer as Clash);
    } else if (WORTH_ANOTHER_TRY.has(response.status)) {
      this.#wait(part);
    } else if (this.#isStill(part, 'sending')) {
      part.state = 'refused';
      part.reason =
        Object.values(answer.fields ?? {})
          .flat()
          .join(' ') ||
        answer.detail ||
        '';
      this.#listener.changed(part);
    }
  }

  #isStill(part: Part, state: State): boolean {
    return part.state === state;
  }

  #wait(part: Part): void {
    if (this.#isStill(part, 'sending')) part.state = 'waiting';
    const pause = RETRIES[Math.min(this.#failures, RETRIES.length - 1)] as number;
    this.#failures += 1;
    window.clearTimeout(this.#retry);
    this.#retry = window.setTimeout(() => this.again(), pause);
    this.#listener.changed(part);
  }
}

export function revisionOf(tag: string | null): string | null {
  return tag?.match(/\d+/)?.[0] ?? null;
}
