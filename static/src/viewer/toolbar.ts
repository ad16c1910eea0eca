/** The thin strip of tools over the image. */

import type { App } from './app';
import { type Command, keyLabel, LAYOUTS, nearWindow, presetsOf, toolCommands } from './commands';
import { h } from './dom';
import { type IconName, icon } from './icons';
import { layerName } from './marklist';
import type { LayerState } from './marks';
import { type MenuItem, menuButton } from './menu';
import { t } from './text';

export class Toolbar {
  private readonly tools = new Map<string, HTMLElement>();
  private readonly buttons = new Map<string, HTMLElement>();

  constructor(
    private readonly root: HTMLElement,
    private readonly app: App,
    private readonly commands: Command[],
  ) {
    this.root.onclick = (event) => this.giveBack(event);
    this.build();
  }

  /** Whoever points at a tool goes on at the image; whoever presses it by a key stays on the strip. */
  private giveBack(event: MouseEvent): void {
    const button = (event.target as Element).closest('button');
    if (button && event.detail > 0 && !button.hasAttribute('popovertarget')) this.app.workspace.focus();
  }

  private command(name: string): Command | undefined {
    return this.commands.find((command) => command.name === name);
  }

  build(): void {
    const { app } = this;
    this.tools.clear();
    this.buttons.clear();
    this.root.replaceChildren();
    this.root.append(this.group(this.plain('rail', 'left')));
    const view = toolCommands().filter((entry) => !entry.mark && app.offers(entry.tool));
    const mark = toolCommands().filter((entry) => entry.mark && app.offers(entry.tool));
    this.root.append(this.group(...view.map((entry) => this.tool(entry.tool, entry.icon, entry.label, entry.key))));
    if (mark.length && app.marks.editable) {
      this.root.append(
        this.group(
          ...mark.map((entry) => this.tool(entry.tool, entry.icon, entry.label, entry.key)),
          this.plain('undo', 'undo'),
          this.plain('redo', 'redo'),
        ),
      );
    }
    this.root.append(this.group(this.windows(), this.shape(), this.plain('cine', 'play'), this.speed()));
    this.root.append(this.group(this.layouts(), this.linkMenu()));
    this.root.append(
      this.group(
        this.plain('save-picture', 'camera'),
        this.plain('full-screen', 'full'),
        this.plain('help', 'keyboard'),
      ),
    );
    this.root.append(h('span', { class: 'tool-space' }), this.legend(), this.group(this.plain('panel', 'right')));
    this.refresh();
  }

  /** Whose marks have which colour, where there are several people's. */
  private legend(): HTMLElement {
    const { layers } = this.app.marks;
    const entry = (layer: LayerState): HTMLElement =>
      h('span', {}, h('span', { class: 'swatch', 'data-role': layer.role }), layerName(layer));
    const legend = h('span', { class: 'marks-legend' });
    if (layers.length > 1) legend.append(...layers.map(entry));
    return legend;
  }

  private group(...children: (HTMLElement | null)[]): HTMLElement {
    return h('div', { class: 'tool-group', role: 'group' }, ...children);
  }

  private tool(name: string, image: IconName, label: string, key: string): HTMLElement {
    const button = h(
      'button',
      {
        type: 'button',
        class: 'tool',
        'data-tool': name,
        'aria-pressed': 'false',
        'aria-label': label,
        'aria-keyshortcuts': key.toUpperCase(),
        title: `${label} (${keyLabel(key)})`,
        onclick: () => this.command(`tool-${name}`)?.run(),
      },
      icon(image) as HTMLElement,
    );
    this.tools.set(name, button);
    return button;
  }

  private plain(name: string, image: IconName): HTMLElement | null {
    const command = this.command(name);
    if (!command) return null;
    const key = command.keys[0] ?? '';
    const button = h(
      'button',
      {
        type: 'button',
        class: 'tool',
        'data-command': name,
        'aria-label': command.label,
        title: key ? `${command.label} (${keyLabel(key)})` : command.label,
        onclick: () => command.run(),
      },
      icon(image) as HTMLElement,
    );
    this.buttons.set(name, button);
    return button;
  }

  private entry(name: string, checked?: boolean): MenuItem {
    const command = this.command(name) as Command;
    const item: MenuItem = { label: command.label, key: keyLabel(command.keys[0] ?? ''), act: () => command.run() };
    return checked === undefined ? item : { ...item, checked };
  }

  private windows(): HTMLElement {
    const { app } = this;
    return menuButton({
      icon: 'sliders',
      label: t('Window presets'),
      entries: () => {
        const pane = app.workspace.active;
        const now = pane?.window ?? null;
        const presets = presetsOf(app).map((preset, i) => ({
          label: `${preset.label}  ·  ${preset.width} / ${preset.center}`,
          key: String(i + 1),
          checked: nearWindow(now, preset),
          act: () => pane?.setWindow(preset),
        }));
        return [
          ...presets,
          this.entry('window-default'),
          this.entry('window-auto'),
          this.entry('window-full'),
          this.entry('invert', pane?.inverted ?? false),
        ];
      },
    });
  }

  private shape(): HTMLElement {
    return menuButton({
      icon: 'shape',
      label: t('Image'),
      entries: () => [
        this.entry('fit'),
        this.entry('actual'),
        this.entry('rotate'),
        this.entry('rotate-left'),
        this.entry('flip-horizontal'),
        this.entry('flip-vertical'),
        this.entry('smooth', this.app.workspace.smooth),
        { label: t('Reset image'), act: () => this.app.workspace.active?.reset() },
      ],
    });
  }

  private speed(): HTMLElement {
    const { app } = this;
    return menuButton({
      icon: 'gauge',
      label: t('Speed'),
      entries: () =>
        [5, 10, 15, 25, 30, 50].map((fps) => ({
          label: t('Images a second: {n}', { n: fps }),
          checked: app.workspace.framesPerSecond === fps,
          act: () => app.setSpeed(fps),
        })),
    });
  }

  private layouts(): HTMLElement {
    const { workspace } = this.app;
    return menuButton({
      icon: 'grid',
      label: t('Layout'),
      entries: () => {
        const tiles = h('div', { class: 'layout-tiles' });
        for (const [rows, columns] of LAYOUTS) {
          const tile = h(
            'button',
            {
              type: 'button',
              role: 'menuitemradio',
              class: 'layout-tile',
              'aria-checked': String(workspace.rows === rows && workspace.columns === columns),
              'aria-label': t('{rows} by {columns}', { rows, columns }),
              onclick: () => {
                (tile.closest('[popover]') as HTMLElement).hidePopover();
                workspace.setLayout(rows, columns);
              },
            },
            ...Array.from({ length: rows * columns }, () => h('span', {})),
          );
          tile.style.setProperty('--rows', String(rows));
          tile.style.setProperty('--columns', String(columns));
          tiles.append(tile);
        }
        return [{ content: tiles }, this.entry('maximise')];
      },
    });
  }

  private linkMenu(): HTMLElement {
    const { workspace } = this.app;
    return menuButton({
      icon: 'link',
      label: t('Links and overlays'),
      entries: () => [
        this.entry('link-scroll', workspace.links.scroll),
        this.entry('link-window', workspace.links.window),
        this.entry('link-camera', workspace.links.camera),
        this.entry('lines', workspace.showLines),
        this.entry('corners', workspace.showCorners),
      ],
    });
  }

  refresh(): void {
    const { app } = this;
    for (const [name, button] of this.tools) button.setAttribute('aria-pressed', String(app.tool === name));
    const set = (name: string, enabled: boolean): void => {
      (this.buttons.get(name) as HTMLButtonElement | undefined)?.toggleAttribute('disabled', !enabled);
    };
    set('undo', app.marks.canUndo);
    set('redo', app.marks.canRedo);
    const playing = Boolean(app.workspace.active?.playing);
    const cine = this.buttons.get('cine');
    if (cine && cine.dataset['playing'] !== String(playing)) {
      cine.dataset['playing'] = String(playing);
      cine.replaceChildren(icon(playing ? 'pause' : 'play') as HTMLElement);
      cine.setAttribute('aria-pressed', String(playing));
    }
    set('cine', (app.workspace.active?.series?.images.length ?? 0) > 1);
    this.buttons.get('rail')?.setAttribute('aria-pressed', String(app.sideOpen('rail')));
    this.buttons.get('panel')?.setAttribute('aria-pressed', String(app.sideOpen('panel')));
  }
}
