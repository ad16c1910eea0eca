/** Search everything: a dialog whose results come from the server as one listbox. */
import Combobox from '@github/combobox-nav';

export function startPalette(): void {
  const dialog = document.getElementById('palette');
  const input = dialog?.querySelector<HTMLInputElement>('input[type="search"]');
  const list = dialog?.querySelector<HTMLElement>('[role="listbox"]');
  if (!(dialog instanceof HTMLDialogElement) || !input || !list) return;

  const combobox = new Combobox(input, list, {
    firstOptionSelectionMode: 'selected',
    scrollIntoViewOptions: { block: 'nearest' },
  });
  const observer = new MutationObserver(() => {
    if (!dialog.open) return;
    combobox.stop();
    combobox.start();
  });

  dialog.addEventListener('toggle', () => {
    if (dialog.open) {
      observer.observe(list, { childList: true });
      combobox.start();
      input.select();
      input.dispatchEvent(new CustomEvent('palette-open', { bubbles: true }));
    } else {
      observer.disconnect();
      combobox.stop();
    }
  });
  list.addEventListener('combobox-commit', (event) => {
    const option = event.target;
    if (option instanceof HTMLElement && option.dataset['click']) {
      dialog.close();
      document.querySelector<HTMLElement>(option.dataset['click'])?.click();
    }
  });
}
