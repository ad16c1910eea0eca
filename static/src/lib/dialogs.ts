/** Dialogs and drawers on the native <dialog>: open and close by attribute, close on the backdrop. */
import { on } from './dom';

export function openDialog(dialog: HTMLElement | null): void {
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

export function startDialogs(): void {
  on('click', '[data-dialog-open]', (button, event) => {
    event.preventDefault();
    openDialog(document.getElementById(button.dataset['dialogOpen'] ?? ''));
  });
  on('click', '[data-dialog-close]', (button) => button.closest('dialog')?.close());
  on('mousedown', 'dialog', (dialog, event) => {
    if (event.target !== dialog || dialog.dataset['sticky'] !== undefined) return;
    const box = dialog.getBoundingClientRect();
    const inside =
      event.clientX >= box.left &&
      event.clientX <= box.right &&
      event.clientY >= box.top &&
      event.clientY <= box.bottom;
    if (!inside) (dialog as HTMLDialogElement).close();
  });
  // What htmx puts into a closed dialog opens it.
  document.addEventListener('htmx:afterSwap', (event) => {
    const target = (event as CustomEvent<{ target?: Element }>).detail?.target;
    if (target?.matches('dialog [data-dialog-content]')) openDialog(target.closest('dialog'));
  });
  document.addEventListener('dialog-close', () => {
    for (const dialog of document.querySelectorAll<HTMLDialogElement>('dialog[open]')) dialog.close();
  });
  for (const dialog of document.querySelectorAll<HTMLDialogElement>('dialog[data-open]')) dialog.showModal();
}
