/** Questions before acts: `hx-confirm` in our own dialog, and the name typed before something is destroyed. */
import { on } from './dom';

interface ConfirmEvent extends CustomEvent {
  detail: { question: string | null; issueRequest: (skip: boolean) => void; elt: HTMLElement };
}

export function startConfirmations(): void {
  const dialog = document.getElementById('confirm-dialog');
  if (dialog instanceof HTMLDialogElement) {
    document.addEventListener('htmx:confirm', (event) => {
      const { question, issueRequest, elt } = (event as ConfirmEvent).detail;
      if (!question) return;
      event.preventDefault();
      const sentence = dialog.querySelector('[data-confirm-question]');
      const accept = dialog.querySelector<HTMLButtonElement>('[data-confirm-accept]');
      if (sentence) sentence.textContent = question;
      if (accept) accept.textContent = elt.dataset['confirmVerb'] ?? accept.dataset['verb'] ?? '';
      dialog.returnValue = '';
      dialog.addEventListener(
        'close',
        () => {
          if (dialog.returnValue === 'accept') issueRequest(true);
        },
        { once: true },
      );
      dialog.showModal();
    });
  }

  on('input', '[data-confirm-name]', (input) => {
    const button = input.closest('form')?.querySelector<HTMLButtonElement>('[data-confirm-submit]');
    if (button && input instanceof HTMLInputElement) {
      button.disabled = input.value.trim() !== input.dataset['confirmName'];
    }
  });
}
