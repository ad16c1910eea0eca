/** Marks on their way to the server: saved a second after the last change, never lost, never overwriting others. */

import { getJson, HttpError, SignedOut, sendJson } from './api';
import type { Layer, Manifest, Mark } from './contract';
import { debounce } from './dom';
import { dropDraft, readDraft, writeDraft } from './drafts';
import type { Marks } from './marks';
import { t } from './text';

export type SaveState = 'none' | 'saved' | 'waiting' | 'saving' | 'failed' | 'conflict' | 'closed' | 'invalid';

const DELAY = 900;
const UNANSWERED = 4;
const RETRIES = [2000, 5000, 15_000, 30_000];

export class Saving {
  state: SaveState = 'none';
  message = '';
  onState: () => void = () => {};
  onSaved: (layer: string, version: number) => void = () => {};
  private sent = '';
  /** Substance of marks that were sent and not answered for: the server may have them, or not. */
  private unanswered: string[] = [];
  private running: Promise<void> | null = null;
  private failures = 0;
  private timer = 0;
  private readonly saveSoon = debounce(() => void this.save(), DELAY);

  constructor(
    private manifest: Manifest,
    private readonly marks: Marks,
    private readonly current: () => Promise<Manifest>,
  ) {
    window.addEventListener('online', () => this.retry());
    window.addEventListener('pagehide', () => this.leave());
  }

  /** Take over a (new) manifest, and with it what this browser still holds for it. */
  adopt(manifest: Manifest): void {
    this.manifest = manifest;
    this.saveSoon.cancel();
    this.failures = 0;
    const layer = this.marks.editable;
    this.sent = this.fingerprint();
    if (!layer || !manifest.annotations.save) {
      this.set('none');
      return;
    }
    this.set('saved');
    const draft = readDraft(manifest.key, layer.name);
    const stored = substance(this.marks.own());
    if (!draft || substance(draft.marks) === stored) {
      dropDraft(manifest.key, layer.name);
      return;
    }
    this.unanswered = draft.sent ?? [];
    // What left with the page may have arrived after all: newer marks of this browser go on from it.
    if (draft.version === layer.version || this.unanswered.includes(stored)) {
      this.marks.replace(draft.marks, { keepHistory: true });
      this.changed();
    } else {
      this.set('conflict', t('Marks kept in this browser differ from those on the server.'));
    }
  }

  get waiting(): boolean {
    return this.fingerprint() !== this.sent;
  }

  changed(): void {
    const layer = this.marks.editable;
    if (!layer || this.state === 'none' || this.state === 'closed') return;
    if (!this.waiting) return;
    this.keep(layer);
    if (this.state === 'conflict') return;
    this.set('waiting');
    this.saveSoon();
  }

  private keep(layer: Pick<Layer, 'name' | 'version'>): void {
    const draft = { version: layer.version, marks: this.marks.own(), at: Date.now() };
    writeDraft(this.manifest.key, layer.name, { ...draft, sent: this.unanswered });
  }

  /** Save now what is not saved yet. */
  async flush(): Promise<void> {
    this.saveSoon.cancel();
    if (this.waiting) await this.save();
    else await this.running;
  }

  retry(): void {
    window.clearTimeout(this.timer);
    if (this.state === 'failed' || this.state === 'waiting') void this.save();
  }

  private async save(): Promise<void> {
    if (this.running) {
      await this.running;
      if (!this.waiting || this.state === 'conflict' || this.state === 'closed') return;
    }
    this.running = this.send();
    try {
      await this.running;
    } finally {
      this.running = null;
    }
  }

  private async send(): Promise<void> {
    const layer = this.marks.editable;
    const url = this.manifest.annotations.save;
    if (!layer || !url) return;
    const marks = this.marks.own();
    const fingerprint = this.fingerprint();
    this.set('saving');
    const before = this.unanswered;
    this.unanswered = [...before, substance(marks)].slice(-UNANSWERED);
    try {
      const answer = await sendJson<{ version: number }>('PUT', url, this.body(layer.name, layer.version, marks));
      layer.version = answer.version;
      this.sent = fingerprint;
      this.unanswered = [];
      this.failures = 0;
      if (this.waiting) {
        this.changed();
      } else {
        dropDraft(this.manifest.key, layer.name);
        this.set('saved');
      }
      this.onSaved(layer.name, layer.version);
    } catch (error) {
      // Refused marks were not stored; an earlier sending may have been. Behind a 5xx of a proxy nobody knows.
      if (error instanceof HttpError && error.status < 500) this.unanswered = before;
      if (error instanceof HttpError && error.status === 409 && (await this.isOurs(layer))) return;
      this.refused(error);
    }
  }

  /** Another version is stored: not another's when it is what this browser sent before and heard no more of. */
  private async isOurs(layer: Pick<Layer, 'name' | 'version'>): Promise<boolean> {
    if (!this.unanswered.length) return false;
    try {
      const stored = await this.serverLayer(layer.name, this.current);
      if (!stored || !this.unanswered.includes(substance(stored.marks))) return false;
      layer.version = stored.version;
      this.unanswered = [];
      this.saveSoon();
      this.set('waiting');
      return true;
    } catch {
      return false;
    }
  }

  private body(layer: string, version: number, marks: Mark[]): object {
    return { layer, version, marks };
  }

  private refused(error: unknown): void {
    if (error instanceof SignedOut) {
      this.set('failed', t('Signed out. Your marks are kept on this page.'));
      return;
    }
    const status = error instanceof HttpError ? error.status : 0;
    if (status === 409) {
      this.set('conflict', t('These marks were changed in another window.'));
      return;
    }
    if (status === 423) {
      this.set('closed', t('These marks are closed and can no longer be changed.'));
      return;
    }
    if (status === 422 || status === 400) {
      const body = (error as HttpError).body as { errors?: { message?: string }[] } | null;
      this.set('invalid', body?.errors?.[0]?.message ?? t('The server did not accept these marks.'));
      return;
    }
    if (status === 403 || status === 404) {
      this.set('invalid', t('You may not save marks here.'));
      return;
    }
    const wait = RETRIES[Math.min(this.failures, RETRIES.length - 1)] as number;
    this.failures += 1;
    this.set('failed', t('Not saved yet. Your marks are kept in this browser; trying again.'));
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.retry(), wait);
  }

  /** Resolve a conflict: keep what is here, or take what the server has. */
  async resolve(keep: 'mine' | 'theirs'): Promise<void> {
    const layer = this.marks.editable;
    if (!layer) return;
    const draft = readDraft(this.manifest.key, layer.name);
    const mine = draft?.marks ?? this.marks.own();
    const theirs = await this.serverLayer(layer.name, this.current);
    if (!theirs) return;
    layer.version = theirs.version;
    this.set('saved');
    this.marks.replace(keep === 'mine' ? mine : theirs.marks, { keepHistory: true });
    if (keep === 'mine') {
      this.sent = '';
      this.changed();
      await this.flush();
    } else {
      this.sent = this.fingerprint();
      dropDraft(this.manifest.key, layer.name);
      this.set('saved');
    }
  }

  private async serverLayer(name: string, current: () => Promise<Manifest>): Promise<Layer | null> {
    const url = this.manifest.annotations.load;
    const layers = url ? (await getJson<{ layers: Layer[] }>(url)).layers : (await current()).annotations.layers;
    return layers.find((layer) => layer.name === name) ?? null;
  }

  /** Nothing more will be kept for this manifest: the marks went with the commit. */
  done(): void {
    this.saveSoon.cancel();
    window.clearTimeout(this.timer);
    const layer = this.marks.editable;
    if (layer) dropDraft(this.manifest.key, layer.name);
    this.sent = this.fingerprint();
  }

  private leave(): void {
    const layer = this.marks.editable;
    const url = this.manifest.annotations.save;
    if (!layer || !url || !this.waiting || ['conflict', 'closed', 'invalid', 'none'].includes(this.state)) return;
    this.unanswered.push(substance(this.marks.own()));
    this.keep(layer);
    void sendJson('PUT', url, this.body(layer.name, layer.version, this.marks.own()), { keepalive: true }).catch(
      () => {},
    );
  }

  private fingerprint(): string {
    // Values of loaded marks are computed again for show; that alone is no change.
    const { touched } = this.marks;
    return JSON.stringify(
      this.marks.own().map((mark) => (touched.has(mark.id) ? mark : { ...mark, measurements: null })),
    );
  }

  private set(state: SaveState, message = ''): void {
    this.state = state;
    this.message = message;
    this.onState();
  }
}

/** What the person drew and said, without what is computed or rounded on the way. */
function substance(marks: Mark[]): string {
  const places = (mark: Mark): string[] => mark.points.flat().map((value) => value.toFixed(1));
  const said = (mark: Mark): unknown[] => [mark.label.trim(), mark.confidence, mark.group];
  return JSON.stringify(
    marks.map((mark) => [mark.id, mark.tool, mark.sop_instance_uid, mark.frame, places(mark), said(mark)]),
  );
}
