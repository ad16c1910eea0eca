/** The viewer: one application for studies, authors, readers and reviews. */

import { configureApi, getJson, renewToken } from './api';
import { type Command, commands, matches, presetsOf } from './commands';
import { CONTRACT_VERSION, type Manifest, type Mark, type MarkTool, type Point } from './contract';
import { type Engine, isCpu, MARK_TOOLS, start, type ToolName } from './cornerstone';
import { eachFrame, h } from './dom';
import { exposeState } from './expose';
import { toPatient } from './geometry';
import { showHelp } from './help';
import { MarkList } from './marklist';
import { Marks } from './marks';
import type { Pane } from './pane';
import { PanelHooks } from './panel';
import { Rail } from './rail';
import { Saving } from './saving';
import { SignIn } from './signin';
import { Telemetry } from './telemetry';
import { t } from './text';
import { Toolbar } from './toolbar';
import { Workspace } from './workspace';

const PREFERENCES = 'pacsweb-viewer';

interface Preferences {
  rail?: boolean;
  panel?: boolean;
}

export class App {
  workspace!: Workspace;
  marks!: Marks;
  saving!: Saving;
  telemetry!: Telemetry;
  tool: ToolName = 'window';
  firstImageMs: number | null = null;

  private engine!: Engine;
  private toolbar!: Toolbar;
  private rail!: Rail;
  private list!: MarkList;
  private hooks!: PanelHooks;
  private keys: Command[] = [];
  private announced = '';
  private readonly signIn: SignIn;
  private readonly live: HTMLElement;
  private readonly chromeSoon = eachFrame(() => this.refreshChrome());

  constructor(
    readonly root: HTMLElement,
    readonly manifest: Manifest,
  ) {
    this.live = this.part('live');
    this.signIn = new SignIn(root.dataset['signIn'] ?? '/', (token) => {
      if (token) renewToken(token);
      this.workspace.retry();
      this.saving.retry();
    });
    configureApi({ csrf: root.dataset['csrf'] ?? '', signedOut: () => this.signIn.ask() });
  }

  part(name: string): HTMLElement {
    const found = this.root.querySelector<HTMLElement>(`[data-part="${name}"]`);
    if (!found) throw new Error(`The page has no part ${name}.`);
    return found;
  }

  async run(): Promise<void> {
    const { manifest } = this;
    if (manifest.version !== CONTRACT_VERSION) throw new Error(t('This page is out of date. Reload it.'));
    performance.mark('viewer-start');
    const forceCpu = new URLSearchParams(location.search).has('cpu');
    this.engine = await start({
      textLines: (tool) => (data, target) => this.marks.textLines(tool)(data, target),
      forceCpu,
    });
    performance.mark('viewer-engine');
    if (isCpu())
      this.notice(t('This browser has no 3D graphics (WebGL). Images are drawn by the processor, more slowly.'));
    this.workspace = new Workspace(this.part('grid'), manifest, this.engine);
    this.marks = new Marks({
      series: (uid) => this.workspace.series.get(uid),
      imageById: (id) => this.workspace.imageById(id),
      render: () => this.workspace.render(),
    });
    this.saving = new Saving(manifest, this.marks);
    this.telemetry = new Telemetry(null, () => this.workspace.panes);
    this.wire();
    this.restoreSides();
    this.takeOver(manifest);
    this.rail = new Rail(this.part('rail'), this.workspace);
    this.list = new MarkList(this.marksRoot(), this.workspace, this.marks, this.saving);
    this.list.onResolve = (keep) => void this.saving.resolve(keep, () => this.fetchManifest());
    this.list.onReveal = () => this.openSide('panel');
    this.keys = commands(this);
    this.toolbar = new Toolbar(this.part('toolbar'), this, this.keys);
    this.hooks = new PanelHooks(this.root, this);
    this.setTool(window.matchMedia('(pointer: coarse)').matches && this.offers('scroll') ? 'scroll' : 'window');
    document.addEventListener('keydown', (event) => this.key(event), { capture: true });
    exposeState(this);
    this.refreshChrome();
    await this.workspace.hang();
    this.root.dataset['ready'] = 'true';
    this.tell('viewer:ready', {});
  }

  /** Where the list of marks stands: in the panel's own place when it gives one. */
  private marksRoot(): HTMLElement {
    return this.root.querySelector<HTMLElement>('[data-viewer-marks]') ?? this.part('marks');
  }

  private wire(): void {
    const { workspace, marks, saving } = this;
    workspace.isMarking = () => (MARK_TOOLS as string[]).includes(this.tool) || this.tool === 'eraser';
    workspace.onActive = () => {
      this.rail?.refresh();
      this.chromeSoon();
      this.announceImage();
    };
    workspace.onImage = (pane) => this.imageShown(pane);
    workspace.onLook = (pane) => this.telemetry.look(pane);
    workspace.onSeries = (series) => {
      this.rail?.progress(series);
      if (series.loading === 'ready') this.mirrorSoon();
    };
    workspace.onLayout = () => {
      this.rail?.refresh();
      this.chromeSoon();
    };
    marks.onChange = (reason, mark) => {
      if (reason !== 'selected' && reason !== 'loaded') saving.changed();
      if (reason === 'drawn' && mark) this.drawn(mark);
      else if (reason === 'removed' && mark) this.say(t('Mark deleted. Undo brings it back.'));
      this.chromeSoon();
      if (reason !== 'selected') this.tell('viewer:marks', { layer: marks.editable?.name ?? '', marks: marks.own() });
    };
    marks.onFull = () => this.toast(t('No more marks: {n} is the most here.', { n: marks.maximum ?? 0 }));
    saving.onState = () => {
      this.list?.drawState();
      if (saving.state === 'closed') this.engine.setMarking(false);
      if (['conflict', 'invalid'].includes(saving.state)) this.toast(saving.message);
    };
    saving.onSaved = (layer, version) => this.tell('viewer:saved', { layer, version });
  }

  private readonly mirrorSoon = eachFrame(() => {
    this.marks.mirror();
    this.chromeSoon();
  });

  private takeOver(manifest: Manifest): void {
    this.marks.maximum = manifest.mark_form.maximum;
    this.marks.load(manifest.annotations.layers);
    this.engine.setMarking(this.marks.editable !== null);
    this.telemetry.adopt(manifest.telemetry);
    this.saving.adopt(manifest);
    this.root.dataset['mode'] = manifest.mode;
  }

  private fetchManifest(url?: string): Promise<Manifest> {
    return getJson<Manifest>(url || this.root.dataset['manifestUrl'] || '');
  }

  /** Take another manifest for the same images: a read becomes its review, and what is on screen stays. */
  async reload(url?: string): Promise<void> {
    try {
      const manifest = await this.fetchManifest(url);
      if (manifest.version !== CONTRACT_VERSION) {
        location.reload();
        return;
      }
      this.saving.done();
      if (url) this.root.dataset['manifestUrl'] = url;
      this.workspace.adopt(manifest);
      this.takeOver(manifest);
      this.keys = commands(this);
      this.toolbar = new Toolbar(this.part('toolbar'), this, this.keys);
      if (!this.offers(this.tool) || (!this.marks.editable && (MARK_TOOLS as string[]).includes(this.tool)))
        this.setTool('window');
      this.rail.build();
      this.part('title').textContent = manifest.title;
      this.refreshChrome();
      this.tell('viewer:ready', {});
    } catch {
      this.toast(t('The page could not be brought up to date. Reload it.'));
    }
  }

  offers(tool: ToolName): boolean {
    const { tools, mark_form } = this.workspace.manifest;
    if (!tools.includes(tool)) return false;
    const marking = (MARK_TOOLS as string[]).includes(tool);
    return !marking || mark_form.tools.length === 0 || mark_form.tools.includes(tool as MarkTool);
  }

  // — images —

  private imageShown(pane: Pane): void {
    if (this.firstImageMs === null && pane.drawn >= 0) {
      requestAnimationFrame(() => {
        if (this.firstImageMs !== null) return;
        this.firstImageMs = Math.round(performance.now());
        performance.mark('viewer-first-image');
        this.root.dataset['firstImageMs'] = String(this.firstImageMs);
      });
    }
    this.marks.mirror();
    this.rail?.refresh();
    this.chromeSoon();
    this.announceImage();
    const { image } = pane;
    if (image) this.tell('viewer:image', { series: image.series, sop: image.sop, frame: image.frame });
  }

  private announceImage(): void {
    const pane = this.workspace.active;
    if (!pane || pane.playing) return;
    window.clearTimeout(this.announcing);
    // After the wheel has come to rest, so that a reader is not flooded.
    this.announcing = window.setTimeout(() => this.say(pane.description()), 400);
  }

  private announcing = 0;

  say(words: string): void {
    if (words === this.announced) return;
    this.announced = words;
    this.live.textContent = words;
  }

  // — tools —

  setTool(tool: ToolName): void {
    if (!this.offers(tool)) return;
    const marking = (MARK_TOOLS as string[]).includes(tool) || tool === 'eraser';
    if (marking && !this.marks.editable) return;
    this.tool = tool;
    this.engine.setTool(tool);
    this.root.dataset['tool'] = tool;
    this.toolbar?.refresh();
    this.hooks?.refresh();
    const label = this.keys.find((c) => c.name === `tool-${tool}`)?.label;
    if (label) this.say(t('Tool: {name}', { name: label }));
  }

  windowAsStored(): void {
    const viewport = this.workspace.active?.viewport;
    if (!viewport) return;
    const { rotation, zoom, pan, flipHorizontal, flipVertical } = viewport.getViewPresentation();
    viewport.resetProperties();
    viewport.setViewPresentation({ rotation, zoom, pan, flipHorizontal, flipVertical } as never);
    const stored = this.workspace.active?.image?.windows[0];
    if (stored) this.workspace.setWindow(stored);
    viewport.render();
  }

  toggleCine(): void {
    const pane = this.workspace.active;
    if (!pane) return;
    if (pane.playing) pane.stop();
    else {
      const time = pane.image?.frameTime;
      if (time && !this.speedChosen)
        this.workspace.framesPerSecond = Math.min(60, Math.max(1, Math.round(1000 / time)));
      pane.play(this.workspace.framesPerSecond);
    }
    this.toolbar.refresh();
  }

  private speedChosen = false;

  setSpeed(fps: number): void {
    this.speedChosen = true;
    this.workspace.framesPerSecond = Math.min(60, Math.max(1, fps));
    const pane = this.workspace.active;
    if (pane?.playing) pane.play(this.workspace.framesPerSecond);
    this.say(t('{n} images a second', { n: this.workspace.framesPerSecond }));
  }

  toggleSmooth(): void {
    this.workspace.setSmooth(!this.workspace.smooth);
  }

  toggleLink(name: 'scroll' | 'window' | 'camera'): void {
    this.workspace.links[name] = !this.workspace.links[name];
    const words = {
      scroll: [t('Scrolling linked'), t('Scrolling not linked')],
      window: [t('Window linked'), t('Window not linked')],
      camera: [t('Zoom and pan linked'), t('Zoom and pan not linked')],
    }[name];
    this.toast(words[this.workspace.links[name] ? 0 : 1] as string);
  }

  toggleLines(): void {
    this.workspace.showLines = !this.workspace.showLines;
    this.workspace.refreshLines();
  }

  toggleCorners(): void {
    this.workspace.setCorners(!this.workspace.showCorners);
  }

  escape(): void {
    if (this.marks.selected) this.marks.select(null);
    else if (this.tool !== 'window') this.setTool('window');
    else this.workspace.active?.reset();
  }

  async savePicture(): Promise<void> {
    const pane = this.workspace.active;
    const blob = await pane?.picture();
    if (!blob || !pane?.image) return;
    const url = URL.createObjectURL(blob);
    const n = pane.series?.entry.number;
    // A neutral name: it may be kept where the patient must not be named.
    h('a', { href: url, download: `image-${n ?? 'x'}-${pane.index + 1}.png` }).click();
    window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
    this.toast(t('Picture saved.'));
  }

  async toggleFullScreen(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.root.requestFullscreen?.();
  }

  showHelp(): void {
    showHelp(this.keys, presetsOf(this));
  }

  // — marks —

  private drawn(mark: Mark): void {
    this.say(t('Mark added.'));
    const { ask, fields } = this.workspace.manifest.mark_form;
    if (ask || mark.tool === 'arrow' || fields.some((field) => field.required)) this.list.edit(mark.id, true);
  }

  showMark(id: string): void {
    const mark = this.marks.find(id);
    if (!mark) return;
    this.marks.select(id);
    void this.workspace.goToMark(mark).then(() => this.marks.mirror());
    this.closePanelOnSmallScreens();
  }

  stepMark(step: number): void {
    const all = this.marks.layers.filter((l) => l.visible).flatMap((l) => [...l.marks.values()]);
    if (!all.length) return;
    const at = all.findIndex((mark) => mark.id === this.marks.selected);
    const next = all[(at + step + all.length) % all.length] as Mark;
    this.showMark(next.id);
  }

  deleteSelected(): void {
    if (this.marks.selected) this.marks.delete(this.marks.selected);
  }

  nudge(x: number, y: number): void {
    const mark = this.marks.selected ? this.marks.find(this.marks.selected) : null;
    if (mark) this.marks.edit(mark.id, { points: mark.points.map(([a, b]): Point => [a + x, b + y]) });
  }

  toggleMarks(): void {
    const visible = this.marks.layers.some((layer) => layer.visible);
    for (const layer of this.marks.layers) this.marks.show(layer.name, !visible);
  }

  /** A mark without a pointer: in the middle of what is on screen, to be moved with Alt and the arrow keys. */
  placeMark(): void {
    const pane = this.workspace.active;
    const rect = pane?.visibleRect();
    const tool = this.tool as MarkTool;
    if (!pane?.image || !rect || pane.drawn < 0 || !(MARK_TOOLS as string[]).includes(tool)) return;
    const { image } = pane;
    const x = Math.round((rect[0] + rect[2]) / 2);
    const y = Math.round((rect[1] + rect[3]) / 2);
    const r = Math.max(2, Math.round(Math.min(rect[2] - rect[0], rect[3] - rect[1]) / 12));
    const circle = (n: number): Point[] =>
      Array.from({ length: n }, (_unused, i) => [
        x + r * Math.cos((2 * Math.PI * i) / n),
        y + r * Math.sin((2 * Math.PI * i) / n),
      ]);
    const shapes: Record<MarkTool, Point[]> = {
      length: [
        [x - r, y],
        [x + r, y],
      ],
      bidirectional: [
        [x - r, y],
        [x + r, y],
        [x, y - r / 2],
        [x, y + r / 2],
      ],
      angle: [
        [x - r, y - r],
        [x, y],
        [x + r, y - r],
      ],
      ellipse: [
        [x, y - r],
        [x, y + r],
        [x - r, y],
        [x + r, y],
      ],
      rectangle: [
        [x - r, y - r],
        [x + r, y - r],
        [x - r, y + r],
        [x + r, y + r],
      ],
      freehand: circle(24),
      probe: [[x, y]],
      arrow: [
        [x, y],
        [x + r, y + r],
      ],
    };
    const points = shapes[tool];
    const plane = image.frameOfReference ? image.plane : null;
    this.marks.put({
      id: crypto.randomUUID(),
      tool,
      series_instance_uid: image.series,
      sop_instance_uid: image.sop,
      frame: image.frame,
      points,
      patient_points: plane ? points.map((point) => toPatient(plane, point)) : null,
      frame_of_reference_uid: plane ? image.frameOfReference : null,
      label: '',
      confidence: null,
      group: this.marks.group,
      measurements: [],
      verdict: null,
    });
  }

  // — page —

  sideOpen(side: 'rail' | 'panel'): boolean {
    return this.root.dataset[side] !== 'closed';
  }

  openSide(side: 'rail' | 'panel'): void {
    if (!this.sideOpen(side)) this.toggleSide(side);
  }

  toggleSide(side: 'rail' | 'panel'): void {
    const open = !this.sideOpen(side);
    this.root.dataset[side] = open ? 'open' : 'closed';
    if (this.isSmall() && open) this.root.dataset[side === 'rail' ? 'panel' : 'rail'] = 'closed';
    this.toolbar?.refresh();
    if (this.isSmall()) return;
    const kept = this.preferences();
    kept[side] = open;
    try {
      localStorage.setItem(PREFERENCES, JSON.stringify(kept));
    } catch {
      // Without storage the sides open as they come.
    }
  }

  closePanelOnSmallScreens(): void {
    if (this.isSmall() && this.sideOpen('panel')) this.toggleSide('panel');
  }

  private isSmall(): boolean {
    return window.matchMedia('(max-width: 760px)').matches;
  }

  private preferences(): Preferences {
    try {
      return JSON.parse(localStorage.getItem(PREFERENCES) ?? '{}') as Preferences;
    } catch {
      return {};
    }
  }

  private restoreSides(): void {
    const kept = this.preferences();
    for (const side of ['rail', 'panel'] as const) {
      const open = this.isSmall() ? false : (kept[side] ?? true);
      this.root.dataset[side] = open ? 'open' : 'closed';
    }
  }

  private refreshChrome(): void {
    this.toolbar?.refresh();
    this.list?.draw();
    this.hooks?.refresh();
  }

  private key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (
      event.defaultPrevented ||
      target.closest(
        'dialog, [popover], input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]',
      )
    )
      return;
    if (document.querySelector('dialog[open]')) return;
    const onButton = target.closest('button, a, summary, [role=button]');
    if (onButton && (event.key === 'Enter' || event.key === ' ')) return;
    if (target instanceof HTMLInputElement && (event.key.startsWith('Arrow') || event.key === ' ')) return;
    if (target.closest('.pane-document, .viewer-panel') && /^(Arrow|Page|Home|End)/.test(event.key) && !event.altKey)
      return;
    // One switch in the profile turns off keys without a modifier, for people who dictate (WCAG 2.1.4).
    const single = !event.ctrlKey && !event.altKey && !event.metaKey && event.key.length === 1;
    if (single && document.documentElement.dataset['keys'] === 'off' && !target.closest('.pane')) return;
    if (/^[1-9]$/.test(event.key) && !event.ctrlKey && !event.altKey && !event.metaKey) {
      const preset = presetsOf(this)[Number(event.key) - 1];
      if (!preset) return;
      this.workspace.setWindow(preset);
      this.say(t('Window: {name}', { name: preset.label }));
      this.take(event);
      return;
    }
    const command = this.keys.find((c) => c.keys.some((key) => matches(key, event)));
    if (!command || (command.available && !command.available())) return;
    command.run();
    this.take(event);
    this.chromeSoon();
  }

  private take(event: KeyboardEvent): void {
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  toast(words: string): void {
    const place = this.part('toast');
    place.textContent = words;
    place.classList.add('is-shown');
    window.clearTimeout(this.toasting);
    this.toasting = window.setTimeout(() => place.classList.remove('is-shown'), 2600);
  }

  private toasting = 0;

  private notice(words: string): void {
    const place = this.part('notice');
    place.hidden = false;
    place.replaceChildren(
      h('span', {}, words),
      h(
        'button',
        {
          type: 'button',
          class: 'v-button',
          onclick: () => {
            place.hidden = true;
          },
        },
        t('Close'),
      ),
    );
  }

  private tell(name: string, detail: object): void {
    this.root.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }
}
