/**
 * The lock screen: after a time without a key or a touch, or when asked, the page is covered until its person proves to be
 * there. Nothing below is taken away: forms, editors, marks and the viewer go on where they were. Requests that come up
 * meanwhile wait and are sent after the unlocking, so no draft is lost. The same when the session has ended: who signs in
 * again in another tab finds this one going on by itself. All tabs of a browser agree.
 */
import { canUsePasskeys, reasonOf, signQuestion } from './passkeys';
import { isAct, repeat } from './repeat';
import { text } from './text';

const LOCKED = 'X-PACSWeb-Locked';
const SIGNED_OUT = 'X-PACSWeb-Signed-Out';
const REPORT_MS = 20_000;
const CHECK_MS = 5_000;
const MOST_REPORTS_OF_IDLE = 4;
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const;

interface Ways {
  methods: string[];
  passkey: Record<string, unknown> | null;
  csrf: string;
}
interface Session {
  locked: boolean;
  idle_seconds: number;
  user: string;
}
type Note = { kind: 'active'; at: number } | { kind: 'locked' } | { kind: 'unlocked' } | { kind: 'signed-in' };

/** Whether nothing was done because the session is locked or over. */
function isStopped(status: number, header: (name: string) => string | null): boolean {
  return (status === 423 && header(LOCKED) !== null) || (status === 401 && header(SIGNED_OUT) !== null);
}

class LockScreen {
  private locked = false;
  private active = Date.now();
  private reported = Date.now();
  private reporting: number | undefined;
  private idleMs: number;
  private release: (() => void)[] = [];
  private csrf = '';
  private focused: Element | null = null;
  private readonly send = window.fetch.bind(window);
  private readonly tabs = new BroadcastChannel('pacsweb-session');
  private readonly form: HTMLFormElement;
  private readonly password: HTMLInputElement;

  constructor(private readonly dialog: HTMLDialogElement) {
    this.idleMs = Number(dialog.dataset['idleSeconds']) * 1000;
    this.form = dialog.querySelector('form') as HTMLFormElement;
    this.password = dialog.querySelector('input[type=password]') as HTMLInputElement;
    this.holdRequests();
    this.watch();
    window.setInterval(() => this.check(), Math.min(CHECK_MS, this.idleMs / 4));
    if (dialog.dataset['locked'] !== undefined) this.cover();
    else this.tabs.postMessage({ kind: 'signed-in' } satisfies Note);
  }

  private part(name: string): HTMLElement {
    return this.dialog.querySelector(`[data-lock="${name}"]`) as HTMLElement;
  }

  private url(name: string): string {
    return this.dialog.dataset[`${name}Url`] ?? '';
  }

  // Idleness ------------------------------------------------------------------------------------------------------------

  private watch(): void {
    for (const sign of SIGNS)
      document.addEventListener(sign, (event) => event.isTrusted && this.noticed(), { capture: true, passive: true });
    document.addEventListener('visibilitychange', () => !document.hidden && this.check());
    window.addEventListener('pageshow', (event) => event.persisted && void this.askServer());
    this.tabs.addEventListener('message', (event: MessageEvent<Note>) => this.heard(event.data));
    document.addEventListener(
      'keydown',
      (event) => {
        // Browsers close a dialog at the second Escape whatever its `cancel` says.
        if (this.locked && event.key === 'Escape') event.preventDefault();
        if (!(event.altKey && (event.ctrlKey || event.metaKey) && event.code === 'KeyL')) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        void this.lockNow('asked');
      },
      { capture: true },
    );
    document.addEventListener('click', (event) => {
      if (event.target instanceof Element && event.target.closest('[data-lock-now]')) {
        event.preventDefault();
        void this.lockNow('asked');
      }
    });
    this.dialog.addEventListener('cancel', (event) => event.preventDefault());
    this.dialog.addEventListener('close', () => this.locked && this.dialog.showModal());
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.unlock('password', this.password.value);
    });
    this.part('passkey').addEventListener('click', () => void this.unlockByPasskey());
    this.part('again').addEventListener('click', () => void this.prepare({ mayOpen: true }));
  }

  private noticed(): void {
    if (this.locked) return;
    const now = Date.now();
    // The machine slept: what moves now may be somebody else's hand.
    if (now - this.active > this.idleMs) {
      void this.lockNow('idle');
      return;
    }
    const since = now - this.active;
    this.active = now;
    if (since > 1000) this.tabs.postMessage({ kind: 'active', at: now } satisfies Note);
    const every = Math.min(REPORT_MS, this.idleMs / MOST_REPORTS_OF_IDLE);
    if (this.reporting !== undefined) return;
    this.reporting = window.setTimeout(
      () => {
        this.reporting = undefined;
        this.reported = Date.now();
        if (!this.locked) void this.report();
      },
      Math.max(0, every - (now - this.reported)),
    );
  }

  private async report(): Promise<void> {
    try {
      const answer = await this.send(this.url('session'), { method: 'POST', headers: this.headers() });
      if (isStopped(answer.status, (name) => answer.headers.get(name))) {
        this.cover();
        return;
      }
      if (!answer.ok || !answer.headers.get('Content-Type')?.includes('json')) return;
      const session = (await answer.json()) as Session;
      this.idleMs = session.idle_seconds * 1000;
      if (session.locked) this.cover();
    } catch {
      // Without a network the clock of the page goes on; the server has its own.
    }
  }

  private heard(note: Note): void {
    if (note.kind === 'active') this.active = Math.max(this.active, note.at);
    else if (note.kind === 'locked') this.cover();
    else if (note.kind === 'unlocked' || this.locked) void this.askServer();
  }

  private check(): void {
    if (!this.locked && Date.now() - this.active > this.idleMs) void this.lockNow('idle');
  }

  private async askServer(): Promise<void> {
    try {
      const answer = await this.send(this.url('session'), { headers: { Accept: 'application/json' } });
      if (!answer.ok) return;
      const session = (await answer.json()) as Session;
      if (session.locked) this.cover();
      else if (this.locked && session.user === this.dialog.dataset['user']) await this.prepare({ mayOpen: true });
    } catch {
      // Asked again at the next occasion.
    }
  }

  // Locking -------------------------------------------------------------------------------------------------------------

  private async lockNow(because: 'idle' | 'asked'): Promise<void> {
    this.cover();
    this.tabs.postMessage({ kind: 'locked' } satisfies Note);
    try {
      const answer = await this.send(this.url('lock'), {
        method: 'POST',
        headers: this.headers(),
        body: new URLSearchParams({ because }),
      });
      await answer.text();
      await this.prepare();
    } catch {
      this.say(text('offline', 'The server did not answer. Check the connection and try again.'));
    }
  }

  private cover(): void {
    if (this.locked) return;
    this.locked = true;
    this.focused = document.activeElement;
    document.documentElement.dataset['locked'] = '';
    this.password.value = '';
    this.say('');
    if (!this.dialog.open) this.dialog.showModal();
    void this.prepare();
  }

  /**
   * Which ways lead back: password, passkey, or, when the session has ended, a new sign-in elsewhere. A server that does
   * not know of the lock yet must not open it again: only who asks with `mayOpen` believes it.
   */
  private async prepare({ mayOpen = false } = {}): Promise<void> {
    if (!this.locked) return;
    try {
      const state = await this.send(this.url('session'), { headers: { Accept: 'application/json' } });
      const isSignedIn = state.ok;
      this.show('ended', !isSignedIn);
      this.show('title-locked', isSignedIn);
      this.show('title-ended', !isSignedIn);
      this.form.hidden = !isSignedIn;
      if (!isSignedIn) return;
      const session = (await state.json()) as Session;
      if (session.user !== this.dialog.dataset['user']) {
        this.form.hidden = true;
        this.show('other', true);
        return;
      }
      const answer = await this.send(this.url('unlock'), { headers: { Accept: 'application/json' } });
      const ways = (await answer.json()) as Ways;
      this.csrf = ways.csrf;
      if (mayOpen && !session.locked) {
        this.open();
        return;
      }
      this.show('by-password', ways.methods.includes('password'));
      this.show('passkey', ways.methods.includes('passkey') && canUsePasskeys());
      this.show('no-way', !ways.methods.includes('password') && !ways.methods.includes('passkey'));
      if (ways.methods.includes('password')) this.password.focus();
      else this.part('passkey').focus();
    } catch {
      this.say(text('offline', 'The server did not answer. Check the connection and try again.'));
      this.show('ended', false);
    }
  }

  private show(name: string, wanted: boolean): void {
    this.part(name).hidden = !wanted;
  }

  private say(sentence: string): void {
    const place = this.part('problem');
    place.textContent = sentence;
    place.hidden = !sentence;
  }

  private async unlockByPasskey(): Promise<void> {
    try {
      // A fresh question: the one before may have been used or have grown old.
      const answer = await this.send(this.url('unlock'), { headers: { Accept: 'application/json' } });
      const ways = (await answer.json()) as Ways;
      this.csrf = ways.csrf;
      if (ways.passkey) await this.unlock('passkey', await signQuestion(ways.passkey));
    } catch (error) {
      this.say(reasonOf(error));
    }
  }

  private async unlock(method: string, secret: string): Promise<void> {
    this.say('');
    this.form.setAttribute('aria-busy', 'true');
    try {
      const answer = await this.send(this.url('unlock'), {
        method: 'POST',
        headers: this.headers(),
        body: new URLSearchParams({ method, [method]: secret }),
      });
      if (answer.redirected || answer.status === 403) {
        await this.prepare();
      } else if (answer.ok) {
        this.open();
        this.tabs.postMessage({ kind: 'unlocked' } satisfies Note);
      } else {
        const refusal = (await answer.json()) as { detail?: string };
        this.say(refusal.detail ?? text('serverError', 'The server could not carry this out. Nothing was changed.'));
        this.password.select();
      }
    } catch {
      this.say(text('offline', 'The server did not answer. Check the connection and try again.'));
    } finally {
      this.form.removeAttribute('aria-busy');
      for (const busy of this.form.querySelectorAll('[aria-busy]')) busy.removeAttribute('aria-busy');
    }
  }

  private open(): void {
    this.locked = false;
    this.active = Date.now();
    this.reported = Date.now();
    this.password.value = '';
    this.adoptToken();
    delete document.documentElement.dataset['locked'];
    this.dialog.close();
    if (this.focused instanceof HTMLElement) this.focused.focus();
    const waiting = this.release;
    this.release = [];
    for (const go of waiting) go();
    document.dispatchEvent(new CustomEvent('pw:unlocked', { detail: { csrf: this.csrf } }));
  }

  // Requests ------------------------------------------------------------------------------------------------------------

  private token(): string {
    if (this.csrf) return this.csrf;
    const headers = document.body.getAttribute('hx-headers') ?? '{}';
    return (JSON.parse(headers) as Record<string, string>)['X-CSRFToken'] ?? '';
  }

  private headers(): Record<string, string> {
    return { 'X-CSRFToken': this.token(), Accept: 'application/json' };
  }

  /** After a new sign-in in another tab the forms of this page need its token. */
  private adoptToken(): void {
    if (!this.csrf) return;
    document.body.setAttribute('hx-headers', JSON.stringify({ 'X-CSRFToken': this.csrf }));
    for (const field of document.querySelectorAll<HTMLInputElement>('input[name=csrfmiddlewaretoken]'))
      field.value = this.csrf;
  }

  private unlocked(): Promise<void> {
    return this.locked ? new Promise((resolve) => this.release.push(resolve)) : Promise.resolve();
  }

  /** Every fetch of the page waits while it is locked, and is repeated when the server says that it is. */
  private holdRequests(): void {
    window.fetch = async (input, init) => {
      if (init?.keepalive) return this.send(input, init);
      const again = input instanceof Request ? input.clone() : input;
      await this.unlocked();
      let answer = await this.send(input, init);
      const { headers } = answer;
      if (isStopped(answer.status, (name) => headers.get(name))) {
        this.cover();
        await this.unlocked();
        answer = await this.send(again, this.renewed(init));
      }
      return answer;
    };
    const { open } = XMLHttpRequest.prototype;
    const covered = (request: XMLHttpRequest): void => {
      if (isStopped(request.status, (name) => request.getResponseHeader(name))) this.cover();
    };
    document.addEventListener('htmx:beforeOnLoad', (event) => {
      const { elt, xhr, requestConfig } = (event as CustomEvent<HtmxAnswer>).detail;
      if (!isStopped(xhr.status, (name) => xhr.getResponseHeader(name))) return;
      event.preventDefault();
      this.cover();
      const act = requestConfig.triggeringEvent;
      if (isAct(act)) void this.unlocked().then(() => repeat(elt, act));
    });
    XMLHttpRequest.prototype.open = function (this: XMLHttpRequest, ...details: unknown[]): void {
      this.addEventListener('loadend', () => covered(this));
      Reflect.apply(open, this, details);
    } as typeof open;
  }

  private renewed(init: RequestInit | undefined): RequestInit | undefined {
    if (!init?.headers || !this.csrf) return init;
    const headers = new Headers(init.headers);
    if (headers.has('X-CSRFToken')) headers.set('X-CSRFToken', this.csrf);
    return { ...init, headers };
  }
}

interface HtmxAnswer {
  elt: Element;
  xhr: XMLHttpRequest;
  requestConfig: { triggeringEvent?: Event };
}

export function startLock(): void {
  const dialog = document.getElementById('lock-screen');
  if (dialog instanceof HTMLDialogElement) new LockScreen(dialog);
}
