/**
 * What was typed and is not stored yet, kept in this browser: it outlives a reload, a crash and the end of the session.
 * It is encrypted with a key that only pages of its person carry, so that nobody else at this browser can read it, and it
 * ends with signing out (`kept-marks`), with somebody else's sign-in, or after a week. Without a secure connection
 * browsers encrypt nothing: nothing is kept then.
 */
export const PREFIX = 'pacsweb-text:';
const WEEK = 7 * 24 * 3600 * 1000;
const IV_BYTES = 12;

interface Stored {
  at: number;
  iv: string;
  isSent?: boolean;
  text: string;
}
export interface Kept<T> {
  at: number;
  value: T;
}

const person = (): string => document.documentElement.dataset['person'] ?? '';
const place = (key: string): string => `${PREFIX}${person()}:${key}`;
const toText = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));
const toBytes = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));

let secret: Promise<CryptoKey | null> | undefined;
/** Writes of one key in their order: the last one wins. */
const writing = new Map<string, Promise<void>>();

function key(): Promise<CryptoKey | null> {
  const given = document.documentElement.dataset['keep'];
  secret ??=
    given && crypto.subtle
      ? crypto.subtle.importKey('raw', toBytes(given), 'AES-GCM', false, ['encrypt', 'decrypt'])
      : Promise.resolve(null);
  return secret;
}

export function keep(name: string, value: unknown): void {
  queue(name, async () => {
    const found = await key();
    if (!found) return;
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const plain = new TextEncoder().encode(JSON.stringify(value));
    const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, found, plain));
    let text = '';
    for (let from = 0; from < sealed.length; from += 30_000) text += toText(sealed.subarray(from, from + 30_000));
    const stored: Stored = { at: Date.now(), iv: toText(iv), text };
    localStorage.setItem(place(name), JSON.stringify(stored));
  });
}

export function drop(name: string): void {
  queue(name, async () => localStorage.removeItem(place(name)));
}

function queue(name: string, work: () => Promise<void>): void {
  // Storage may be full or switched off: then the page alone holds the text.
  writing.set(
    name,
    (writing.get(name) ?? Promise.resolve()).then(work).catch(() => {}),
  );
}

export async function kept<T>(name: string): Promise<Kept<T> | null> {
  try {
    const stored = JSON.parse(localStorage.getItem(place(name)) ?? 'null') as Stored | null;
    const found = await key();
    if (!stored || !found) return null;
    if (Date.now() - stored.at > WEEK) {
      drop(name);
      return null;
    }
    const iv = toBytes(stored.iv);
    const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, found, toBytes(stored.text));
    return { at: stored.at, value: JSON.parse(new TextDecoder().decode(plain)) as T };
  } catch {
    return null;
  }
}

/** The names under `start` that this person has something kept for. */
export function keptNames(start: string): string[] {
  try {
    const own = place('');
    return Object.keys(localStorage)
      .filter((name) => name.startsWith(own + start))
      .map((name) => name.slice(own.length));
  } catch {
    return [];
  }
}

/** It was sent; whether it arrived is not known yet. */
export function markSent(name: string): void {
  change(name, (stored) => ({ ...stored, isSent: true }));
}

/** What had been sent is dropped when it arrived, and otherwise kept on. */
export function restoreSent(name: string, { hasArrived }: { hasArrived: boolean }): void {
  change(name, (stored) => (stored.isSent && hasArrived ? null : { ...stored, isSent: false }));
}

function change(name: string, how: (stored: Stored) => Stored | null): void {
  try {
    const stored = JSON.parse(localStorage.getItem(place(name)) ?? 'null') as Stored | null;
    if (!stored) return;
    const next = how(stored);
    if (next) localStorage.setItem(place(name), JSON.stringify(next));
    else localStorage.removeItem(place(name));
  } catch {
    // Storage is switched off: nothing was kept.
  }
}
