/** Everything a person can do, once: the tool strip, the keys and the help page all read this list. */

import type { App } from './app';
import type { Window, WindowPreset } from './contract';
import type { ToolName } from './cornerstone';
import type { IconName } from './icons';
import { t } from './text';

export interface Command {
  name: string;
  label: string;
  /** Keys as `KeyboardEvent.key`, with Ctrl+ / Shift+ / Alt+ before; the first is shown. */
  keys: string[];
  group: 'tools' | 'marks' | 'image' | 'stack' | 'layout' | 'page';
  run: () => void;
  available?: () => boolean;
}

export interface ToolCommand {
  tool: ToolName;
  icon: IconName;
  label: string;
  key: string;
  mark: boolean;
}

export function toolCommands(): ToolCommand[] {
  return [
    { tool: 'window', icon: 'window', label: t('Window'), key: 'w', mark: false },
    { tool: 'scroll', icon: 'scroll', label: t('Scroll'), key: 's', mark: false },
    { tool: 'zoom', icon: 'zoom', label: t('Zoom'), key: 'z', mark: false },
    { tool: 'pan', icon: 'pan', label: t('Pan'), key: 'p', mark: false },
    { tool: 'magnify', icon: 'magnify', label: t('Magnifier'), key: 'g', mark: false },
    { tool: 'crosshair', icon: 'crosshair', label: t('Locate point in other viewports'), key: 'x', mark: false },
    { tool: 'length', icon: 'length', label: t('Length'), key: 'l', mark: true },
    { tool: 'bidirectional', icon: 'bidirectional', label: t('Two axes'), key: 'b', mark: true },
    { tool: 'angle', icon: 'angle', label: t('Angle'), key: 'a', mark: true },
    { tool: 'ellipse', icon: 'ellipse', label: t('Ellipse'), key: 'e', mark: true },
    { tool: 'rectangle', icon: 'rectangle', label: t('Rectangle'), key: 'r', mark: true },
    { tool: 'freehand', icon: 'freehand', label: t('Outline'), key: 'f', mark: true },
    { tool: 'probe', icon: 'probe', label: t('Value at a point'), key: 'o', mark: true },
    { tool: 'arrow', icon: 'arrow', label: t('Arrow with text'), key: 't', mark: true },
    { tool: 'eraser', icon: 'eraser', label: t('Eraser'), key: 'd', mark: true },
  ];
}

export function commands(app: App): Command[] {
  const { workspace } = app;
  const pane = () => workspace.active;
  const list: Command[] = toolCommands()
    .filter((entry) => app.offers(entry.tool))
    .map((entry) => ({
      name: `tool-${entry.tool}`,
      label: entry.label,
      keys: [entry.key],
      group: entry.mark ? 'marks' : 'tools',
      run: () => app.setTool(entry.tool),
    }));
  const add = (
    group: Command['group'],
    name: string,
    label: string,
    keys: string[],
    run: () => void,
    available?: () => boolean,
  ): void => {
    list.push(available ? { group, name, label, keys, run, available } : { group, name, label, keys, run });
  };

  add('stack', 'next-image', t('Next image'), ['ArrowDown'], () => pane()?.scrollBy(1));
  add('stack', 'previous-image', t('Previous image'), ['ArrowUp'], () => pane()?.scrollBy(-1));
  add('stack', 'next-ten', t('Ten images on'), ['PageDown'], () => pane()?.scrollBy(10));
  add('stack', 'previous-ten', t('Ten images back'), ['PageUp'], () => pane()?.scrollBy(-10));
  add('stack', 'first-image', t('First image'), ['Home'], () => pane()?.scrollBy(-1e6));
  add('stack', 'last-image', t('Last image'), ['End'], () => pane()?.scrollBy(1e6));
  add('stack', 'next-series', t('Next series'), ['ArrowRight'], () => workspace.nextSeries(1));
  add('stack', 'previous-series', t('Previous series'), ['ArrowLeft'], () => workspace.nextSeries(-1));
  // Beside the images of an album stand its other studies; each is a page of its own.
  for (const [step, label, key] of [
    ['next', t('Next study of the album'), 'Shift+PageDown'],
    ['previous', t('Previous study of the album'), 'Shift+PageUp'],
  ] as const) {
    const link = document.querySelector<HTMLAnchorElement>(`a[data-album-step="${step}"]`);
    if (link) add('stack', `${step}-study`, label, [key], () => link.click());
  }
  add('stack', 'cine', t('Play or pause'), [' '], () => app.toggleCine());
  add('stack', 'faster', t('Play faster'), ['>'], () => app.setSpeed(workspace.framesPerSecond + 5));
  add('stack', 'slower', t('Play slower'), ['<'], () => app.setSpeed(workspace.framesPerSecond - 5));

  add('image', 'window-default', t('Window as stored'), ['0'], () => app.windowAsStored());
  add('image', 'window-full', t('Window: full range'), ['Shift+W'], () => pane()?.windowFromPixels(0));
  add('image', 'window-auto', t('Window: automatic'), ['Alt+w'], () => pane()?.windowFromPixels(0.01));
  add('image', 'invert', t('Invert'), ['i'], () => pane()?.invert());
  add('image', 'reset', t('Reset image'), ['Escape'], () => app.escape());
  add('image', 'fit', t('Fit to viewport'), ['.'], () => pane()?.fit());
  add('image', 'actual', t('One to one'), [','], () => pane()?.actualSize());
  add('image', 'zoom-in', t('Zoom in'), ['+', '='], () => pane()?.zoomBy(1.2));
  add('image', 'zoom-out', t('Zoom out'), ['-'], () => pane()?.zoomBy(1 / 1.2));
  add('image', 'pan-left', t('Move image left'), ['Shift+ArrowLeft'], () => pane()?.panBy(-40, 0));
  add('image', 'pan-right', t('Move image right'), ['Shift+ArrowRight'], () => pane()?.panBy(40, 0));
  add('image', 'pan-up', t('Move image up'), ['Shift+ArrowUp'], () => pane()?.panBy(0, -40));
  add('image', 'pan-down', t('Move image down'), ['Shift+ArrowDown'], () => pane()?.panBy(0, 40));
  add('image', 'rotate', t('Rotate right'), ['Shift+R'], () => pane()?.rotate(90));
  add('image', 'rotate-left', t('Rotate left'), ['Alt+r'], () => pane()?.rotate(-90));
  add('image', 'flip-horizontal', t('Mirror left and right'), ['h'], () => pane()?.flip('horizontal'));
  add('image', 'flip-vertical', t('Mirror top and bottom'), ['v'], () => pane()?.flip('vertical'));
  add('image', 'smooth', t('Smooth pixels'), ['Shift+S'], () => app.toggleSmooth());
  add('image', 'save-picture', t('Save as picture (PNG)'), ['k'], () => void app.savePicture());

  const can = (): boolean => app.marks.editable !== null;
  add('marks', 'place', t('Place a mark in the middle'), ['Enter'], () => app.placeMark(), can);
  add('marks', 'undo', t('Undo'), ['Ctrl+z'], () => app.marks.undo(), can);
  add('marks', 'redo', t('Redo'), ['Ctrl+Shift+Z', 'Ctrl+y'], () => app.marks.redo(), can);
  add('marks', 'delete', t('Delete the selected mark'), ['Delete', 'Backspace'], () => app.deleteSelected(), can);
  add('marks', 'next-mark', t('Next mark'), ['n'], () => app.stepMark(1));
  add('marks', 'previous-mark', t('Previous mark'), ['Shift+N'], () => app.stepMark(-1));
  add('marks', 'nudge-left', t('Move the selected mark left'), ['Alt+ArrowLeft'], () => app.nudge(-1, 0), can);
  add('marks', 'nudge-right', t('Move the selected mark right'), ['Alt+ArrowRight'], () => app.nudge(1, 0), can);
  add('marks', 'nudge-up', t('Move the selected mark up'), ['Alt+ArrowUp'], () => app.nudge(0, -1), can);
  add('marks', 'nudge-down', t('Move the selected mark down'), ['Alt+ArrowDown'], () => app.nudge(0, 1), can);
  add('marks', 'marks-visible', t('Show or hide all marks'), ['m'], () => app.toggleMarks());

  add('layout', 'maximise', t('One viewport alone, and back'), ['Shift+M'], () => workspace.toggleMaximised());
  add('layout', 'next-viewport', t('Next viewport'), [']'], () => workspace.next(1));
  add('layout', 'previous-viewport', t('Previous viewport'), ['['], () => workspace.next(-1));
  add('layout', 'link-scroll', t('Link scrolling'), ['j'], () => app.toggleLink('scroll'));
  add('layout', 'link-window', t('Link window'), ['Shift+J'], () => app.toggleLink('window'));
  add('layout', 'link-camera', t('Link zoom and pan'), ['Alt+j'], () => app.toggleLink('camera'));
  add('layout', 'lines', t('Reference lines'), ['u'], () => app.toggleLines());
  add('layout', 'corners', t('Text in the corners'), ['c'], () => app.toggleCorners());

  add('page', 'rail', t('Series list'), ['q'], () => app.toggleSide('rail'));
  add('page', 'panel', t('Panel'), ['y'], () => app.toggleSide('panel'));
  add('page', 'full-screen', t('Full screen'), ['Shift+F'], () => void app.toggleFullScreen());
  add('page', 'help', t('Keys'), ['?'], () => app.showHelp());
  return list;
}

export const LAYOUTS: [number, number][] = [
  [1, 1],
  [1, 2],
  [2, 1],
  [1, 3],
  [2, 2],
  [2, 3],
  [3, 3],
  [3, 4],
];

/** Presets for keys 1–9: those of the modality, else the windows stored in the image. */
export function presetsOf(app: App): WindowPreset[] {
  const { active, manifest } = app.workspace;
  const own = manifest.presets[active?.series?.modality ?? ''] ?? [];
  const stored = active?.image?.windows ?? [];
  if (own.length) return own.slice(0, 9);
  return stored
    .map((w: WindowPreset, i: number) => ({ ...w, label: w.label || t('Stored window {n}', { n: i + 1 }) }))
    .slice(0, 9);
}

export function nearWindow(a: Window | null, b: Window): boolean {
  return a !== null && Math.abs(a.center - b.center) < 0.6 && Math.abs(a.width - b.width) < 0.6;
}

const SIGNS: Record<string, string> = {
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  PageUp: 'Pg↑',
  PageDown: 'Pg↓',
  Escape: 'Esc',
  Delete: 'Del',
  Backspace: '⌫',
};

export function keyLabel(key: string): string {
  if (key === ' ') return t('Space');
  const parts = key === '+' ? ['+'] : key.split('+');
  return parts.map((part) => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part)).join('+');
}

export function matches(key: string, event: KeyboardEvent): boolean {
  const plain = key === '+' || !key.includes('+') ? key : (key.split('+').pop() as string);
  const control = key.startsWith('Ctrl+');
  const alt = key.includes('Alt+');
  const shift = key.includes('Shift+');
  const ctrl = event.ctrlKey || event.metaKey;
  if (control !== ctrl || alt !== event.altKey) return false;
  // Signs such as ? need Shift on some keyboards and not on others.
  const sign = plain.length === 1 && !/[a-z0-9 ]/i.test(plain);
  if (!sign && shift !== event.shiftKey) return false;
  return event.key.toLowerCase() === plain.toLowerCase() || (alt && event.code === `Key${plain.toUpperCase()}`);
}
