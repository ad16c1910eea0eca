/** Marks that the server does not have yet, kept in this browser: they outlive a reload and a crash, not the session. */

import { placeOf as place } from '../lib/kept-marks';
import type { Mark } from './contract';

export interface Draft {
  version: number;
  marks: Mark[];
  at: number;
  /** What was sent and not answered for (`substance` of each): found on the server it is this browser's own work. */
  sent?: string[];
}

const MONTH = 31 * 24 * 3600 * 1000;

export function readDraft(key: string, layer: string): Draft | null {
  try {
    const stored = localStorage.getItem(place(key, layer));
    if (!stored) return null;
    const draft = JSON.parse(stored) as Draft;
    return Array.isArray(draft.marks) && Date.now() - draft.at < MONTH ? draft : null;
  } catch {
    return null;
  }
}

export function writeDraft(key: string, layer: string, draft: Draft): boolean {
  try {
    localStorage.setItem(place(key, layer), JSON.stringify(draft));
    return true;
  } catch {
    return false;
  }
}

export function dropDraft(key: string, layer: string): void {
  try {
    localStorage.removeItem(place(key, layer));
  } catch {
    // Storage is switched off: there was no draft either.
  }
}
