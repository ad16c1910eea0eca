/**
 * Sends what was collected: small files in packs, large ones piece by piece, a few requests at once. A broken
 * connection is waited out; a file that fails does not hold up the others.
 */
import { Interruption, type Outcome, Refusal, type UploadApi } from './api';
import type { Found } from './collect';

export interface Item {
  readonly id: string;
  readonly name: string;
  readonly file: File;
}

export interface Listener {
  /** Bytes that are safely at the server. */
  sent(bytes: number): void;
  outcome(item: Item, outcome: Outcome): void;
  failed(item: Item, reason: string): void;
  /** The connection is away (with the seconds until the next try) or back (null). */
  interrupted(seconds: number | null): void;
  /** Nothing can go on: the session ended, or the right was taken away. */
  stopped(reason: string): void;
}

const AT_ONCE = 3;
const PIECE = 8 * 1024 * 1024;
const PACK_BYTES = 8 * 1024 * 1024;
const PACK_FILES = 200;
const TRIES = 9;
const LONGEST_WAIT = 30;

type Work = { kind: 'pack'; items: Item[]; bytes: number } | { kind: 'large'; item: Item };

export class Sender {
  readonly #api: UploadApi;
  readonly #listener: Listener;
  readonly #abort = new AbortController();
  readonly #waiting: Work[] = [];
  #open: { items: Item[]; bytes: number } = { items: [], bytes: 0 };
  #running = 0;
  #isPaused = false;
  #isComplete = false;
  #resume: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #serial = 0;

  constructor(api: UploadApi, listener: Listener) {
    this.#api = api;
    this.#listener = listener;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isCancelled(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Take a file; it is sent as soon as a request is free. */
  add({ path, file }: Found): Item {
    this.#serial += 1;
    const item: Item = { id: `f${String(this.#serial).padStart(9, '0')}`, name: path, file };
    this.addItem(item);
    return item;
  }

  addItem(item: Item): void {
    this.#isComplete = false;
    if (item.file.size > PACK_BYTES) this.#waiting.push({ kind: 'large', item });
    else {
      if (this.#open.items.length >= PACK_FILES || this.#open.bytes + item.file.size > PACK_BYTES) this.#seal();
      this.#open.items.push(item);
      this.#open.bytes += item.file.size;
    }
    this.#start();
  }

  /** No more files come for now: what is left goes. */
  flush(): void {
    this.#isComplete = true;
    this.#seal();
    this.#start();
    this.#settle();
  }

  /** The same, and resolves when all is sent, failed, or cancelled. */
  async finish(): Promise<void> {
    this.flush();
    if (this.#running > 0 || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (!isPaused) {
      for (const resume of this.#resume.splice(0)) resume();
      this.#start();
    }
  }

  cancel(): void {
    this.#abort.abort();
    this.#waiting.length = 0;
    this.#open = { items: [], bytes: 0 };
    this.pause(false);
    this.#settle();
  }

  #seal(): void {
    if (this.#open.items.length > 0) this.#waiting.push({ kind: 'pack', ...this.#open });
    this.#open = { items: [], bytes: 0 };
  }

  #start(): void {
    while (this.#running < AT_ONCE && !this.#isPaused && !this.isCancelled) {
      const work = this.#waiting.shift();
      if (!work) break;
      this.#running += 1;
      void this.#do(work).finally(() => {
        this.#running -= 1;
        this.#start();
        this.#settle();
      });
    }
  }

  #settle(): void {
    if (this.#running > 0 || this.#waiting.length > 0) return;
    if (!this.#isComplete && !this.isCancelled) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #do(work: Work): Promise<void> {
    try {
      if (work.kind === 'pack') await this.#pack(work.items);
      else await this.#large(work.item);
    } catch (error) {
      if (this.isCancelled) return;
      const items = work.kind === 'pack' ? work.items : [work.item];
      for (const item of items) this.#fail(item, error);
    }
  }

  #fail(item: Item, error: unknown): void {
    if (error instanceof Refusal && (error.status === 401 || error.status === 403)) {
      this.#listener.stopped(error.message);
      this.#listener.failed(item, error.message);
      this.cancel();
      return;
    }
    this.#listener.failed(item, error instanceof Error ? error.message : String(error));
  }

  async #pack(items: Item[]): Promise<void> {
    const readable: Item[] = [];
    for (const item of items) {
      if (await isReadable(item.file)) readable.push(item);
      else this.#listener.failed(item, 'unreadable');
    }
    if (readable.length === 0) return;
    try {
      const outcomes = await this.#persist(() => this.#api.pack(readable, this.#abort.signal));
      const byId = new Map(outcomes.map((outcome) => [outcome.id, outcome]));
      for (const item of readable) {
        const outcome = byId.get(item.id);
        this.#listener.sent(item.file.size);
        if (outcome) this.#listener.outcome(item, outcome);
        else this.#listener.failed(item, 'no-answer');
      }
    } catch (error) {
      const mayBeOneFile = error instanceof Refusal && ![401, 403, 404].includes(error.status);
      if (readable.length === 1 || !mayBeOneFile) throw error;
      // One file of the pack is to blame: alone, each gets its own answer.
      for (const item of readable) {
        try {
          await this.#pack([item]);
        } catch (single) {
          if (this.isCancelled) return;
          this.#fail(item, single);
        }
      }
    }
  }

  async #large(item: Item): Promise<void> {
    if (!(await isReadable(item.file))) {
      this.#listener.failed(item, 'unreadable');
      return;
    }
    let offset = 0;
    let reported = 0;
    let stuck = 0;
    for (;;) {
      await this.#whileGoing();
      const from = offset;
      const piece = await this.#persist(
        () => this.#api.piece(item, from, Math.min(PIECE, item.file.size - from), this.#abort.signal),
        async () => {
          // The piece may have arrived although its answer did not.
          const there = await this.#api.pieceSize(item.id, this.#abort.signal);
          return there.size > from ? there : null;
        },
      );
      stuck = piece.size <= offset && !piece.outcome ? stuck + 1 : 0;
      if (stuck > 3) throw new Interruption('The file does not grow at the server.');
      offset = piece.size;
      if (offset > reported) {
        this.#listener.sent(offset - reported);
        reported = offset;
      }
      if (piece.outcome) {
        this.#listener.outcome(item, piece.outcome);
        return;
      }
      if (offset >= item.file.size) throw new Refusal(409, 'The last piece had no answer.');
    }
  }

  async #whileGoing(): Promise<void> {
    if (this.#isPaused && !this.isCancelled) await new Promise<void>((resolve) => this.#resume.push(resolve));
    this.#abort.signal.throwIfAborted();
  }

  /** Try, wait, try again; `recover` may find out that the work is done already. */
  async #persist<T>(work: () => Promise<T>, recover?: () => Promise<T | null>): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      await this.#whileGoing();
      try {
        if (attempt > 0 && recover) {
          const done = await recover();
          if (done !== null) {
            this.#listener.interrupted(null);
            return done;
          }
        }
        const answer = await work();
        if (attempt > 0) this.#listener.interrupted(null);
        return answer;
      } catch (error) {
        if (this.isCancelled || !(error instanceof Interruption) || attempt + 1 >= TRIES) throw error;
        const seconds = Math.min(LONGEST_WAIT, 2 ** attempt) * (0.75 + Math.random() / 2);
        this.#listener.interrupted(seconds);
        await this.#pauseFor(seconds);
      }
    }
  }

  /** Wait, but no longer than until the connection is back or somebody cancels. */
  #pauseFor(seconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        window.removeEventListener('online', done);
        this.#abort.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      window.addEventListener('online', done);
      this.#abort.signal.addEventListener('abort', done);
    });
  }
}

/** A file that was removed or is locked since it was chosen fails here, not as a broken connection. */
async function isReadable(file: File): Promise<boolean> {
  if (file.size === 0) return true;
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
