/** Keys. Whatever carries `data-key` answers to it ("/", "g h", "mod+k") and is listed behind `?`. */

import { openDialog } from './dialogs';
import { isTyping, isVisible } from './dom';
import { text } from './text';

const SEQUENCE_MS = 1200;
const apple = /Mac|iP(hone|ad|od)/.test(navigator.platform);

let pending = '';
let pendingSince = 0;

function nameOf(event: KeyboardEvent): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return event.ctrlKey || event.metaKey ? `mod+${key}` : key;
}

function holderOf(key: string): HTMLElement | undefined {
  const scope = document.querySelector('dialog[open]') ?? document;
  const wanted = `[data-key="${CSS.escape(key)}"]`;
  return [...scope.querySelectorAll<HTMLElement>(wanted)].find(
    (element) => isVisible(element) || element.dataset['keyHidden'] !== undefined,
  );
}

function press(element: HTMLElement): void {
  if (element.matches('input:not([type=checkbox]), textarea, select')) {
    element.focus();
    if (element instanceof HTMLInputElement) element.select();
  } else {
    element.click();
  }
}

export function showKey(key: string): string {
  if (!key.startsWith('mod+')) return key;
  return `${apple ? '⌘' : 'Ctrl '}${key.slice(4).toUpperCase()}`;
}

function appendKeys(target: HTMLElement, key: string): void {
  for (const part of key.split(' ')) {
    const cap = document.createElement('kbd');
    cap.textContent = showKey(part);
    target.append(cap, ' ');
  }
}

/** Fill the `?` dialog from what the page holds now. */
function listKeys(list: HTMLElement): void {
  const groups = new Map<string, Map<string, string>>();
  for (const element of document.querySelectorAll<HTMLElement>('[data-key][data-key-label], [data-key-note]')) {
    const label = element.dataset['keyLabel'] ?? element.dataset['keyNote'] ?? '';
    const group = element.dataset['keyGroup'] ?? text('thisPage', 'This page');
    const keys = groups.get(group) ?? new Map<string, string>();
    keys.set(label, element.dataset['key'] ?? element.dataset['keys'] ?? '');
    groups.set(group, keys);
  }
  list.replaceChildren(
    ...[...groups].map(([group, keys]) => {
      const section = document.createElement('section');
      const heading = document.createElement('h3');
      heading.textContent = group;
      const entries = document.createElement('dl');
      for (const [label, key] of keys) {
        const term = document.createElement('dt');
        term.textContent = label;
        const value = document.createElement('dd');
        appendKeys(value, key);
        entries.append(term, value);
      }
      section.append(heading, entries);
      return section;
    }),
  );
}

export function startKeyboard(): void {
  for (const cap of document.querySelectorAll<HTMLElement>('kbd[data-shows]')) {
    cap.dataset['shown'] = showKey(cap.dataset['shows'] ?? '');
  }
  const dialog = document.getElementById('keys-dialog');
  document.querySelector('[data-keys-open]')?.addEventListener('click', () => {
    const list = dialog?.querySelector<HTMLElement>('[data-keys-list]');
    if (list) listKeys(list);
    openDialog(dialog);
  });

  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return;
    const key = nameOf(event);
    const modified = key.startsWith('mod+');
    // Single keys can be switched off in the profile (WCAG 2.1.4); combinations stay.
    if (!modified && (isTyping(event) || document.documentElement.dataset['keys'] === 'off')) return;
    const sequence = performance.now() - pendingSince < SEQUENCE_MS ? `${pending} ${key}` : key;
    pending = '';
    const element = holderOf(sequence) ?? holderOf(key);
    if (element) {
      event.preventDefault();
      press(element);
      return;
    }
    const open = document.querySelector('dialog[open], :popover-open');
    if (!modified && key.length === 1 && !open && document.querySelector(`[data-key^="${CSS.escape(key)} "]`)) {
      pending = key;
      pendingSince = performance.now();
    }
  });
}
