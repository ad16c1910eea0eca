/** Short messages in the corner. Django's messages arrive with the page; htmx answers send a `toast` event. */
import { on } from './dom';

export type Tone = 'pass' | 'fail' | 'query' | 'info';

interface Toast {
  message: string;
  tone?: Tone;
  href?: string;
  linkText?: string;
}

const LIFETIME = 7000;

export function showToast({ message, tone = 'info', href, linkText }: Toast): void {
  const region = document.getElementById('toasts');
  const pattern = document.querySelector<HTMLTemplateElement>(`template[data-toast="${tone}"]`);
  const toast = pattern?.content.firstElementChild?.cloneNode(true);
  if (!region || !(toast instanceof HTMLElement)) return;
  const body = toast.querySelector('[data-toast-text]');
  if (body) {
    body.textContent = message;
    if (href) {
      const link = document.createElement('a');
      link.href = href;
      link.textContent = linkText ?? message;
      body.append(' ', link);
    }
  }
  region.append(toast);
  arm(toast);
}

/** Failures stay until they are closed; the rest leaves, but never under the pointer or the focus. */
function arm(toast: HTMLElement): void {
  if (toast.dataset['tone'] === 'fail') return;
  const leave = (): void => {
    if (toast.matches(':hover, :focus-within')) setTimeout(leave, 1500);
    else toast.remove();
  };
  setTimeout(leave, LIFETIME);
}

export function startToasts(): void {
  for (const toast of document.querySelectorAll<HTMLElement>('#toasts .toast')) arm(toast);
  on('click', '[data-toast-close]', (button) => button.closest('.toast')?.remove());
  document.addEventListener('toast', (event) => {
    const { detail } = event as CustomEvent<Toast>;
    if (detail && typeof detail.message === 'string') showToast(detail);
  });
}
