/** Click to copy. The clipboard API needs a secure origin; a department's plain-HTTP address falls back. */
import { on } from './dom';

async function copy(value: string): Promise<void> {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(value);
    return;
  }
  const area = document.createElement('textarea');
  area.value = value;
  area.className = 'sr-only';
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

export function startCopying(): void {
  on('click', '[data-copy]', async (button, event) => {
    event.preventDefault();
    event.stopPropagation();
    await copy(button.dataset['copy'] ?? '');
    button.dataset['copied'] = '';
    const status = document.getElementById('copy-status');
    if (status) status.textContent = status.dataset['text'] ?? '';
    setTimeout(() => {
      delete button.dataset['copied'];
      if (status) status.textContent = '';
    }, 1600);
  });
}
