/**
 * Marks that a viewer keeps in this browser until the server has them belong to one person, and to the time that they are
 * signed in: whoever sits here next finds none. Pages without anybody signed in, and those of somebody else, clear them.
 */
import { PREFIX as TEXT_PREFIX } from './kept-text';

const PREFIX = 'pacsweb-marks:';

/** Who the page is for; empty when nobody is signed in. */
function person(): string {
  return document.documentElement.dataset['person'] ?? '';
}

export function placeOf(key: string, layer: string): string {
  return `${PREFIX}${person()}:${key}:${layer}`;
}

function forget(but: string | null): void {
  forgetAll(PREFIX, but);
  // What was typed outlives the end of the session: it cannot be read without the key that its person's pages carry.
  if (but !== '') forgetAll(TEXT_PREFIX, but);
}

function forgetAll(prefix: string, but: string | null): void {
  try {
    const own = but === null ? null : `${prefix}${but}:`;
    for (const name of Object.keys(localStorage))
      if (name.startsWith(prefix) && (own === null || !name.startsWith(own))) localStorage.removeItem(name);
  } catch {
    // Storage is switched off: nothing was kept.
  }
}

export function startForgetting(): void {
  forget(person());
  document.addEventListener('submit', (event) => {
    if (!(event.target instanceof HTMLFormElement)) return;
    // The attribute, not the property: a field named "action" takes the property's place.
    const address = new URL(event.target.getAttribute('action') ?? '', window.location.href);
    if (address.pathname === '/accounts/sign-out/') forget(null);
  });
}
