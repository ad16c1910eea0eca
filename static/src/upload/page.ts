/** The page: takes files, shows how far they are and what became of each, and leads to the studies at the end. */
import { type Outcome, Refusal, type Unpacking, UploadApi, type UploadedStudy, type UploadState } from './api';
import { beginPatiently } from './beginning';
import { entriesOf, type Found, fromInput, walk } from './collect';
import { must, ProblemList } from './problems';
import { type Item, Sender } from './sender';

type Count = 'stored' | 'duplicate' | 'skipped' | 'refused' | 'failed';

const ASK_MS = 1200;
const RATE_WINDOW_MS = 15_000;
const KNOWN_SHOWN = 50;

export function startUploadPage(): void {
  const root = document.getElementById('upload');
  if (root) new UploadPage(root);
}

class UploadPage {
  readonly #root: HTMLElement;
  readonly #words: Record<string, string>;
  readonly #problems: ProblemList;
  readonly #work: HTMLElement;
  readonly #drop: HTMLElement;
  #api: UploadApi | null = null;
  #sender: Sender | null = null;
  #failed: Item[] = [];
  #counts: Record<Count, number> = { stored: 0, duplicate: 0, skipped: 0, refused: 0, failed: 0 };
  #zipCounts = new Map<string, number>();
  #jobs = new Set<string>();
  #known = new Set<string>();
  #bytes = 0;
  #sent = 0;
  #files = 0;
  #answered = 0;
  #collecting = 0;
  #wait: number | null = null;
  #stopped = '';
  #isClosed = false;
  #isDrawn = true;
  #history: [number, number][] = [];
  #finishing: Promise<void> | null = null;
  #begun: Promise<UploadState> | null = null;

  constructor(root: HTMLElement) {
    this.#root = root;
    this.#words = JSON.parse(document.getElementById('upload-words')?.textContent ?? '{}') as Record<string, string>;
    this.#work = must(root, '[data-work]');
    this.#drop = must(root, '[data-drop]');
    this.#problems = new ProblemList(must(root, '[data-problems]'), (key, values) => this.#say(key, values));
    this.#listen();
  }

  #say(key: string, values: Record<string, string> = {}): string {
    let sentence = this.#words[key] ?? key;
    for (const [name, value] of Object.entries(values)) sentence = sentence.replaceAll(`{${name}}`, value);
    return sentence;
  }

  #listen(): void {
    for (const input of this.#root.querySelectorAll<HTMLInputElement>('[data-pick]')) {
      input.addEventListener('change', () => {
        const files = input.files;
        if (files && files.length > 0) void this.#take(fromInput(files)).finally(() => (input.value = ''));
      });
    }
    // The whole page takes a drop: a folder that misses the box must not replace the page.
    document.addEventListener('dragover', (event) => {
      event.preventDefault();
      this.#drop.dataset['over'] = '';
    });
    document.addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) delete this.#drop.dataset['over'];
    });
    document.addEventListener('drop', (event) => {
      event.preventDefault();
      delete this.#drop.dataset['over'];
      if (!event.dataTransfer) return;
      const { entries, loose } = entriesOf(event.dataTransfer);
      const unreadable = (path: string): void => this.#note(path, 'failed', 'unreadable', this.#say('unreadable'));
      if (entries.length > 0) void this.#take(walk(entries, unreadable));
      if (loose.length > 0) void this.#take(loose.map((file) => ({ path: file.name, file })));
    });
    must(this.#root, '[data-pause]').addEventListener('click', () => this.#togglePause());
    must(this.#root, '[data-cancel]').addEventListener('click', () => void this.#cancel());
    must(this.#root, '[data-retry]').addEventListener('click', () => void this.#retry());
    window.addEventListener('beforeunload', (event) => {
      if (this.#isBusy) event.preventDefault();
    });
  }

  get #isBusy(): boolean {
    return this.#api !== null && !this.#isClosed;
  }

  /** One upload at a time: files dropped while it runs join it. */
  async #open(): Promise<Sender> {
    if (this.#sender && !this.#isClosed && !this.#sender.isCancelled) {
      await this.#begun;
      return this.#sender;
    }
    this.#reset();
    const api = new UploadApi(this.#root.dataset['url'] ?? '');
    this.#api = api;
    const sender = new Sender(api, {
      sent: (bytes) => {
        this.#sent += bytes;
        this.#later();
      },
      outcome: (item, outcome) => this.#outcome(item, outcome),
      failed: (item, reason) => this.#fail(item, reason),
      interrupted: (seconds) => {
        this.#wait = seconds;
        this.#later();
      },
      stopped: (reason) => {
        this.#stopped = reason;
        this.#later();
      },
    });
    this.#sender = sender;
    this.#work.hidden = false;
    this.#drop.dataset['small'] = '';
    // Files are taken while the server is asked; nothing goes before it has answered.
    sender.pause(true);
    this.#begun = beginPatiently(api, {
      again: must(this.#root, '[data-again]'),
      isCancelled: () => sender.isCancelled,
      waits: (seconds) => {
        this.#wait = seconds;
        this.#later();
      },
    });
    await this.#begun;
    sender.pause(false);
    return sender;
  }

  #reset(): void {
    this.#problems.clear();
    this.#failed = [];
    this.#counts = { stored: 0, duplicate: 0, skipped: 0, refused: 0, failed: 0 };
    this.#zipCounts.clear();
    this.#jobs.clear();
    this.#known.clear();
    this.#bytes = this.#sent = this.#files = this.#answered = 0;
    this.#history = [];
    this.#stopped = '';
    this.#wait = null;
    this.#isClosed = false;
    this.#finishing = null;
    must(this.#root, '[data-result]').hidden = true;
    must(this.#root, '[data-after]').hidden = true;
    must(this.#root, '[data-zips]').replaceChildren();
  }

  async #take(found: Iterable<Found> | AsyncIterable<Found>): Promise<void> {
    this.#collecting += 1;
    try {
      const sender = await this.#open();
      for await (const one of found) {
        if (sender.isCancelled) return;
        sender.add(one);
        this.#files += 1;
        this.#bytes += one.file.size;
        this.#later();
      }
    } catch (error) {
      this.#stopped = error instanceof Refusal ? error.message : this.#say('noConnection');
      this.#isClosed = true;
    } finally {
      this.#collecting -= 1;
      this.#later();
    }
    this.#sender?.flush();
    if (this.#collecting === 0 && !this.#isClosed) await this.#finish();
  }

  #finish(): Promise<void> {
    this.#finishing ??= this.#complete().finally(() => (this.#finishing = null));
    return this.#finishing;
  }

  async #complete(): Promise<void> {
    const [api, sender] = [this.#api, this.#sender];
    if (!api || !sender) return;
    for (;;) {
      await sender.finish();
      if (sender.isCancelled) return;
      if (this.#jobs.size > 0) await this.#unpacked(api);
      if (this.#collecting === 0 && this.#answered >= this.#files) break;
      if (this.#collecting > 0) return;
    }
    try {
      const state = await api.close();
      this.#isClosed = true;
      const shown = new Set(state.studies.map((study) => study.study_instance_uid));
      const further = [...this.#known].filter((uid) => !shown.has(uid)).slice(0, KNOWN_SHOWN);
      if (further.length > 0) state.studies.push(...(await api.known(further).catch(() => [])));
      this.#show(state);
    } catch {
      this.#stopped = this.#say('notClosed');
      this.#isClosed = true;
    }
    this.#later();
  }

  /** Ask until every zip is unpacked. */
  async #unpacked(api: UploadApi): Promise<void> {
    for (;;) {
      try {
        const state = await api.state();
        this.#wait = null;
        this.#show(state);
        if (state.unpacking.every((one) => !['queued', 'running'].includes(one.state))) return;
      } catch (error) {
        if (error instanceof Refusal) return;
        this.#wait = ASK_MS / 1000;
        this.#later();
      }
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
      if (this.#sender?.isCancelled) return;
    }
  }

  #outcome(item: Item, outcome: Outcome): void {
    this.#answered += 1;
    if (outcome.status === 'unpacking') {
      if (outcome.job) this.#jobs.add(outcome.job);
    } else if (outcome.status === 'refused' || outcome.status === 'skipped') {
      this.#note(item.name, outcome.status, outcome.code, outcome.reason);
    } else {
      this.#counts[outcome.status === 'replaced' ? 'stored' : outcome.status] += 1;
      if (outcome.status === 'duplicate') this.#known.add(outcome.study_instance_uid);
    }
    this.#later();
  }

  #fail(item: Item, reason: string): void {
    this.#answered += 1;
    this.#failed.push(item);
    this.#note(item.name, 'failed', 'not-sent', this.#words[reason] ?? reason);
  }

  #note(name: string, kind: 'refused' | 'skipped' | 'failed', code: string, reason: string): void {
    this.#counts[kind] += 1;
    this.#problems.add({ name, kind, code, reason });
    this.#later();
  }

  #togglePause(): void {
    const sender = this.#sender;
    // Before the server has answered there is nothing to go on with.
    if (!sender || !this.#api?.id) return;
    sender.pause(!sender.isPaused);
    const button = must(this.#root, '[data-pause]');
    button.setAttribute('aria-pressed', String(sender.isPaused));
    const label = button.querySelector('span');
    if (label) label.textContent = this.#say(sender.isPaused ? 'resume' : 'pause');
    this.#later();
  }

  async #cancel(): Promise<void> {
    const [api, sender] = [this.#api, this.#sender];
    if (!api || !sender || this.#isClosed) return;
    sender.cancel();
    this.#stopped = this.#say('cancelled');
    for (const job of this.#jobs) {
      const url = (this.#root.dataset['cancelJob'] ?? '').replace('00000000-0000-0000-0000-000000000000', job);
      const token = (JSON.parse(document.body.getAttribute('hx-headers') ?? '{}') as Record<string, string>)[
        'X-CSRFToken'
      ];
      await fetch(url, { method: 'POST', headers: { 'X-CSRFToken': token ?? '', 'HX-Request': 'true' } }).catch(
        () => null,
      );
    }
    try {
      this.#show(await api.close());
    } catch {
      // The server closes an upload that went silent by itself.
    }
    this.#isClosed = true;
    this.#later();
  }

  async #retry(): Promise<void> {
    const again = this.#failed.splice(0);
    this.#problems.removeFailed();
    await this.#take(again.map((item) => ({ path: item.name, file: item.file })));
  }

  #show(state: UploadState): void {
    for (const zip of state.unpacking) this.#zip(zip);
    // Entries of zip files are known to the server only; its counts include everything.
    if (state.unpacking.length > 0) {
      this.#counts.stored = state.stored + state.replaced;
      this.#counts.duplicate = state.duplicate;
      this.#counts.refused = state.refused;
      this.#counts.skipped = state.skipped;
    }
    const list = must(this.#root, '[data-studies]');
    list.replaceChildren(...state.studies.map((study) => this.#study(study)));
    must(this.#root, '[data-result]').hidden = state.studies.length === 0;
    const link = must(this.#root, '[data-delivery-link]') as HTMLAnchorElement;
    link.href = `${this.#root.dataset['deliveries'] ?? ''}${state.id}/`;
    this.#later();
  }

  #zip(zip: Unpacking): void {
    const holder = must(this.#root, '[data-zips]');
    let line = holder.querySelector<HTMLElement>(`[data-job-line="${zip.job}"]`);
    if (!line) {
      line = document.createElement('div');
      line.className = 'progress';
      line.dataset['jobLine'] = zip.job;
      line.append(
        Object.assign(document.createElement('div'), { className: 'progress-line' }),
        document.createElement('progress'),
      );
      holder.append(line);
    }
    const text = line.querySelector('.progress-line');
    const bar = line.querySelector('progress');
    if (text) {
      const label = Object.assign(document.createElement('span'), {
        textContent: `${this.#say(`zip-${zip.state}`)}${zip.message ? `: ${zip.message}` : ''}`,
      });
      const amount = Object.assign(document.createElement('span'), {
        className: 'num',
        textContent: zip.total ? `${zip.done} / ${zip.total}` : '',
      });
      text.replaceChildren(label, amount);
    }
    if (bar) {
      bar.setAttribute('aria-label', this.#say(`zip-${zip.state}`));
      if (['queued', 'running'].includes(zip.state) && !zip.total) bar.removeAttribute('value');
      else {
        bar.max = Math.max(1, zip.total);
        bar.value = zip.state === 'succeeded' ? bar.max : zip.done;
      }
    }
    line.classList.toggle('is-fail', zip.state === 'failed');
    const known = this.#zipCounts.get(zip.job) ?? 0;
    for (const problem of zip.problems.slice(known)) {
      this.#problems.add({
        name: problem.name,
        kind: problem.status === 'skipped' ? 'skipped' : 'refused',
        code: problem.code,
        reason: problem.reason,
      });
    }
    this.#zipCounts.set(zip.job, Math.max(known, zip.problems.length));
  }

  #study(study: UploadedStudy): HTMLLIElement {
    const line = document.createElement('li');
    const entry = study.url
      ? Object.assign(document.createElement('a'), { href: study.url })
      : document.createElement('div');
    const name = Object.assign(document.createElement('strong'), { textContent: study.patient_name || '–' });
    const facts = Object.assign(document.createElement('span'), {
      className: 'muted',
      textContent: [study.study_date, study.modalities.join(' '), study.description].filter(Boolean).join(' · '),
    });
    const images = Object.assign(document.createElement('span'), {
      className: 'end num muted',
      textContent: this.#say(study.instance_count === 1 ? 'image' : 'images', { n: grouped(study.instance_count) }),
    });
    entry.append(name, facts, images);
    line.append(entry);
    return line;
  }

  // Drawing, at most once a frame -----------------------------------------------------------------------------------

  #later(): void {
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    requestAnimationFrame(() => {
      this.#isDrawn = true;
      this.#draw();
    });
  }

  #draw(): void {
    for (const [name, count] of Object.entries(this.#counts)) {
      const cell = this.#root.querySelector(`[data-count="${name}"]`);
      if (cell) cell.textContent = grouped(count);
    }
    const bar = must(this.#root, '[data-bar]') as HTMLProgressElement;
    bar.max = Math.max(1, this.#bytes);
    bar.value = this.#isClosed && !this.#stopped ? bar.max : Math.min(this.#sent, this.#bytes);
    must(this.#root, '[data-amount]').textContent = this.#say('amount', {
      files: grouped(this.#answered),
      all: grouped(this.#files),
      sent: size(this.#sent),
      bytes: size(this.#bytes),
    });
    must(this.#root, '[data-phase]').textContent = this.#phase();
    this.#drawRate();
    must(this.#root, '[data-pause]').hidden = this.#isClosed;
    must(this.#root, '[data-cancel]').hidden = this.#isClosed;
    must(this.#root, '[data-after]').hidden = !this.#isClosed;
    must(this.#root, '[data-retry]').hidden = this.#failed.length === 0 || this.#isBusy;
  }

  #phase(): string {
    if (this.#stopped) return this.#stopped;
    if (this.#isClosed) return this.#say(this.#counts.refused + this.#counts.failed > 0 ? 'doneWithProblems' : 'done');
    if (this.#wait !== null) return this.#say('waiting', { seconds: String(Math.max(1, Math.round(this.#wait))) });
    if (this.#sender?.isPaused) return this.#say('paused');
    if (this.#collecting > 0) return this.#say('collecting');
    if (this.#answered >= this.#files && this.#jobs.size > 0) return this.#say('unpacking');
    return this.#say('sending');
  }

  #drawRate(): void {
    const now = performance.now();
    this.#history.push([now, this.#sent]);
    while (this.#history.length > 2 && now - (this.#history[0]?.[0] ?? 0) > RATE_WINDOW_MS) this.#history.shift();
    const [first] = this.#history;
    const seconds = first ? (now - first[0]) / 1000 : 0;
    const rate = first && seconds > 1 ? (this.#sent - first[1]) / seconds : 0;
    const isMoving = rate > 0 && !this.#isClosed && !this.#sender?.isPaused;
    must(this.#root, '[data-rate]').textContent = isMoving ? `${size(rate)}/s` : '';
    must(this.#root, '[data-remaining]').textContent =
      isMoving && this.#collecting === 0
        ? this.#say('remaining', { time: duration((this.#bytes - this.#sent) / rate) })
        : '';
  }
}

function grouped(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
}

function size(bytes: number): string {
  let number = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (number < 1000)
      return `${number >= 100 || unit === 'B' ? Math.round(number) : number.toPrecision(3)}\u202f${unit}`;
    number /= 1000;
  }
  return `${number.toPrecision(3)}\u202fTB`;
}

function duration(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
