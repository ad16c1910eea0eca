/** The viewer: one application for studies, authors, readers and reviews. */

import { configureApi, getJson, renewToken } from './api';
import { type Command, commands, presetsOf } from './commands';
import { CONTRACT_VERSION, type Manifest, type Mark, type MarkTool, type Point } from './contract';
import { type Engine, isCpu, MARK_TOOLS, start, type ToolName } from './cornerstone';
import { eachFrame, h } from './dom';
import { Drawing } from './drawing';
import { exposeState } from './expose';
import { toPatient } from './geometry';
import { showHelp } from './help';
import { listenForKeys } from './keys';
import { MarkList } from './marklist';
import { Marks } from './marks';
import type { Pane } from './pane';
import { PanelHooks } from './panel';
import { pictureOf } from './picture';
import { Rail } from './rail';
import { Saving } from './saving';
import { shapeIn } from './shapes';
import { type Side, Sides } from './sides';
import { SignIn } from './signin';
import { Telemetry } from './telemetry';
import { t } from './text';
import { Toolbar } from './toolbar';
import { Workspace } from './workspace';

export class App {
  workspace!: Workspace;
  marks!: Marks;
  saving!: Saving;
  telemetry!: Telemetry;
  tool: ToolName = 'window';
  firstImageMs: number | null = null;

  private engine!: Engine;
  private drawing!: Drawing;
  private toolbar!: Toolbar;
  private rail!: Rail;
  private list!: MarkList;
  private hooks!: PanelHooks;
  private keys: Command[] = [];
  private announced = '';
  private readonly sides: Sides;
  private readonly signIn: SignIn;
  private readonly live: HTMLElement;
  readonly chromeSoon = eachFrame(() => this.refreshChrome());

  constructor(
    readonly root: HTMLElement,
    readonly manifest: Manifest,
  ) {
    this.sides = new Sides(root);
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
    this.drawing = new Drawing(this.part('grid'), (work) => this.marks.quietly(work));
    this.saving = new Saving(manifest, this.marks, () => this.fetchManifest());
    this.telemetry = new Telemetry(null, () => this.workspace.panes);
    this.wire();
    this.takeOver(manifest);
    this.rail = new Rail(this.part('rail'), this.workspace);
    this.list = new MarkList(() => this.marksRoot(), this.workspace, this.marks, this.saving);
    this.list.onResolve = (keep) => void this.saving.resolve(keep);
    this.list.onReveal = () => this.openSide('panel');
    this.keys = commands(this);
    this.toolbar = new Toolbar(this.part('toolbar'), this, this.keys);
    this.hooks = new PanelHooks(this.root, this);
    this.setTool(window.matchMedia('(pointer: coarse)').matches && this.offers('scroll') ? 'scroll' : 'window');
    listenForKeys(this, () => this.keys);
    exposeState(this);
    this.refreshChrome();
    await this.workspace.hang();
    this.showMissed();
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
    workspace.onArrange = () => this.giveUpDrawing();
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
      else if (reason === 'shaped' && mark) this.shaped = mark.id;
      else if (reason === 'removed' && mark) this.say(t('Mark deleted. Undo brings it back.'));
      this.chromeSoon();
      if (reason !== 'selected') this.tell('viewer:marks', { layer: marks.editable?.name ?? '', marks: marks.own() });
    };
    window.addEventListener('pointerup', () => this.released());
    marks.onFull = () => this.toast(t('No more marks: {n} is the most here.', { n: marks.maximum ?? 0 }));
    saving.onState = () => {
      this.list?.drawState();
      if (saving.state === 'closed') {
        this.giveUpDrawing();
        this.engine.setMarking(false);
      }
      if (['conflict', 'invalid'].includes(saving.state)) this.toast(saving.message);
    };
    saving.onSaved = (layer, version) => this.tell('viewer:saved', { layer, version });
  }

  private readonly mirrorSoon = eachFrame(() => {
    this.marks.mirror();
    this.chromeSoon();
  });

  private takeOver(manifest: Manifest): void {
    this.giveUpDrawing();
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
      this.showMissed();
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
    // What was begun belongs to the image that was on screen.
    this.giveUpDrawing(pane.element);
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
    if (tool !== this.tool) this.giveUpDrawing();
    this.tool = tool;
    this.engine.setTool(tool);
    this.root.dataset['activeTool'] = tool;
    this.toolbar?.refresh();
    this.hooks?.refresh();
    const label = this.keys.find((c) => c.name === `tool-${tool}`)?.label;
    if (label) this.say(t('Tool: {name}', { name: label }));
  }

  /** Discard what is half drawn, in one viewport or in any. */
  giveUpDrawing(element?: HTMLDivElement): boolean {
    const begun = this.drawing.giveUp(element);
    if (begun) this.toast(t('The unfinished mark was discarded.'));
    return begun;
  }

  windowAsStored(): void {
    this.workspace.active?.windowAsStored();
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
    this.say(t('Images a second: {n}', { n: this.workspace.framesPerSecond }));
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
    if (this.giveUpDrawing()) return;
    if (this.marks.selected) this.marks.select(null);
    else if (this.tool !== 'window') this.setTool('window');
    else this.workspace.active?.reset();
  }

  async savePicture(): Promise<void> {
    const pane = this.workspace.active;
    const blob = pane && (await pictureOf(pane));
    if (!blob || !pane.image) return;
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

  /** The mark that the pointer is changing. */
  private shaped: string | null = null;

  /** A mark that was moved is rated next, as one that was drawn. */
  private released(): void {
    const id = this.shaped;
    this.shaped = null;
    if (!id || this.sides.isSmall() || !this.workspace.manifest.mark_form.ask) return;
    // The press ends after this event: the image would take the focus back.
    window.setTimeout(() => this.marks.find(id) && this.list.edit(id, true));
  }

  showMark(id: string): void {
    const mark = this.marks.find(id);
    if (!mark) return;
    this.marks.select(id);
    void this.workspace.goToMark(mark).then(() => this.marks.mirror());
    this.closePanelOnSmallScreens();
  }

  /** A review begins at the first lesion that was not found. */
  private showMissed(): void {
    if (this.root.dataset['mode'] !== 'review') return;
    const missed = this.marks.missed();
    const [first] = missed;
    if (!first) return;
    this.marks.select(first.id);
    void this.workspace.goToMark(first).then(() => this.marks.mirror());
    if (missed.length > 1) this.toast(t('Lesions missed: {n}', { n: missed.length }));
    else this.toast(first.label ? t('Missed: {label}', { label: first.label }) : t('Missed lesion'));
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
    if (this.marks.layers.some((layer) => layer.visible)) this.marks.hideAll();
    else this.marks.showAgain();
  }

  /** A mark without a pointer: in the middle of what is on screen, to be moved with Alt and the arrow keys. */
  placeMark(): void {
    const pane = this.workspace.active;
    const rect = pane?.visibleRect();
    const tool = this.tool as MarkTool;
    if (!pane?.image || !rect || pane.drawn < 0 || !(MARK_TOOLS as string[]).includes(tool)) return;
    const { image } = pane;
    const points = shapeIn(tool, rect);
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

  sideOpen(side: Side): boolean {
    return this.sides.isOpen(side);
  }

  openSide(side: Side): void {
    if (!this.sides.isOpen(side)) this.toggleSide(side);
  }

  toggleSide(side: Side): void {
    this.sides.toggle(side);
    this.toolbar?.refresh();
  }

  closePanelOnSmallScreens(): void {
    if (this.sides.isSmall() && this.sides.isOpen('panel')) this.toggleSide('panel');
  }

  private refreshChrome(): void {
    this.toolbar?.refresh();
    this.list?.draw();
    this.hooks?.refresh();
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
