/** The session has ended: sign in in another window, come back, and go on where one was. */

import { h } from './dom';
import { t } from './text';

export class SignIn {
  private dialog: HTMLDialogElement | null = null;

  constructor(
    private readonly url: string,
    private readonly onBack: (token: string | null) => void,
  ) {}

  ask(): void {
    if (this.dialog?.open) return;
    this.dialog = h(
      'dialog',
      { class: 'v-dialog', 'aria-labelledby': 'viewer-sign-in' },
      h('h2', { id: 'viewer-sign-in' }, t('You are signed out')),
      h('p', {}, t('Your marks are kept on this page. Sign in in another tab, then go on here.')),
      h(
        'div',
        { class: 'v-dialog-actions' },
        h('a', { class: 'v-button is-primary', href: this.url, target: '_blank', rel: 'opener' }, t('Sign in')),
        h('button', { type: 'button', class: 'v-button', onclick: () => void this.resume() }, t('Go on')),
      ),
    );
    this.dialog.addEventListener('close', () => this.dialog?.remove());
    document.body.append(this.dialog);
    this.dialog.showModal();
  }

  private async resume(): Promise<void> {
    const token = await freshToken();
    this.dialog?.close();
    this.dialog = null;
    this.onBack(token);
  }
}

/** The CSRF token changes with a new session: read it from this very page as it is served now. */
async function freshToken(): Promise<string | null> {
  try {
    const response = await fetch(location.href, { credentials: 'same-origin' });
    if (!response.ok || response.redirected) return null;
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    return page.getElementById('viewer')?.dataset['csrf'] ?? null;
  } catch {
    return null;
  }
}
