/** Theme and density change at once; the server is told so that the next page and the next machine know. */
import { on } from './dom';

export function startPreferences(): void {
  on('click', '[data-set-preference]', (button) => {
    const name = button.dataset['setPreference'] ?? '';
    const value = button.dataset['value'] ?? '';
    const root = document.documentElement;
    if (name === 'theme' && value === 'system') delete root.dataset['theme'];
    else root.dataset[name] = value;
    for (const other of document.querySelectorAll<HTMLElement>(`[data-set-preference="${CSS.escape(name)}"]`)) {
      other.setAttribute('aria-pressed', String(other.dataset['value'] === value));
    }
    document.dispatchEvent(new CustomEvent('pw:theme'));
  });
}
