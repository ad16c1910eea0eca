/** Begin an upload although the server cannot be reached yet: what was chosen stays chosen. */
import { Refusal, type UploadApi, type UploadState } from './api';

const LONGEST_WAIT = 30;

interface Waiting {
  /** Shown while nothing answers. */
  again: HTMLElement;
  isCancelled: () => boolean;
  /** Seconds until the next try; null: it has begun. */
  waits: (seconds: number | null) => void;
}

/** Ask until the server answers; throws what it refuses, or the last failure once cancelled. */
export async function beginPatiently(api: UploadApi, waiting: Waiting): Promise<UploadState> {
  for (let failures = 0; ; failures += 1) {
    try {
      const state = await api.begin();
      waiting.waits(null);
      return state;
    } catch (error) {
      if (error instanceof Refusal || waiting.isCancelled()) throw error;
      const seconds = Math.min(LONGEST_WAIT, 2 ** (failures + 1));
      waiting.waits(seconds);
      await untilTriedAgain(waiting, seconds);
      if (waiting.isCancelled()) throw error;
    }
  }
}

/** Wait, but no longer than until the connection is back, somebody presses the button, or cancels. */
function untilTriedAgain({ again, isCancelled }: Waiting, seconds: number): Promise<void> {
  again.hidden = false;
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      clearInterval(watching);
      window.removeEventListener('online', done);
      again.removeEventListener('click', done);
      again.hidden = true;
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    const watching = setInterval(() => isCancelled() && done(), 200);
    window.addEventListener('online', done);
    again.addEventListener('click', done);
  });
}
