/**
 * A plain form leaves the page when it is sent. So the page asks first whether the server answers and the session holds:
 * without a connection the form waits and is sent by itself as soon as there is one; without a session the lock screen
 * asks to sign in over the page (`lock`), and the form goes after that.
 */
import { noteSent } from './kept-forms';
import { text } from './text';

const RETRIES = [2000, 5000, 15_000, 30_000];
const sure = new WeakSet<HTMLFormElement>();

/** Whether this form may go now; otherwise it is sent later. */
export function mayLeave(form: HTMLFormElement, event: SubmitEvent): boolean {
  const url = document.getElementById('lock-screen')?.dataset['sessionUrl'];
  if (sure.delete(form) || !url || form.target || form.closest('#lock-screen') || isSigningOut(form)) {
    noteSent(form);
    return true;
  }
  event.preventDefault();
  void waitAndSend(form, event.submitter, url);
  return false;
}

function isSigningOut(form: HTMLFormElement): boolean {
  return new URL(form.action).pathname === '/accounts/sign-out/';
}

async function waitAndSend(form: HTMLFormElement, submitter: HTMLElement | null, url: string): Promise<void> {
  form.setAttribute('aria-busy', 'true');
  submitter?.setAttribute('aria-busy', 'true');
  let box: HTMLElement | null = null;
  for (let failures = 0; ; failures += 1) {
    if (!form.isConnected) return;
    if (await answers(url)) break;
    box ??= form.appendChild(notice());
    await pause(RETRIES[Math.min(failures, RETRIES.length - 1)] as number, box);
  }
  box?.remove();
  form.removeAttribute('aria-busy');
  submitter?.removeAttribute('aria-busy');
  sure.add(form);
  form.requestSubmit(submitter?.isConnected ? submitter : null);
  // Not valid any more: it did not go, and the next try asks again.
  sure.delete(form);
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { headers: { Accept: 'application/json' }, cache: 'no-store' })).ok;
  } catch {
    return false;
  }
}

function notice(): HTMLElement {
  const box = Object.assign(document.createElement('div'), { className: 'notice is-query unsent-notice' });
  box.setAttribute('role', 'alert');
  const words = document.createElement('div');
  words.textContent = text(
    'unsent',
    'Not sent: no connection. What you typed is kept, and sent as soon as the server answers.',
  );
  const again = Object.assign(document.createElement('button'), { type: 'button', className: 'button button-small' });
  again.dataset['again'] = '';
  again.textContent = text('tryAgain', 'Try again');
  box.append(words, again);
  return box;
}

/** Wait, but no longer than until the connection is back or somebody presses the button. */
function pause(milliseconds: number, box: HTMLElement): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      window.clearTimeout(timer);
      window.removeEventListener('online', done);
      button?.removeEventListener('click', done);
      resolve();
    };
    const timer = window.setTimeout(done, milliseconds);
    const button = box.querySelector('[data-again]');
    window.addEventListener('online', done);
    button?.addEventListener('click', done);
  });
}
