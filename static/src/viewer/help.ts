import { type Command, keyLabel } from './commands';
import type { WindowPreset } from './contract';
import { h } from './dom';
import { t } from './text';

const GROUPS: [Command['group'], () => string][] = [
  ['tools', () => t('Tools')],
  ['marks', () => t('Marks')],
  ['stack', () => t('Images and series')],
  ['image', () => t('Window and image')],
  ['layout', () => t('Viewports')],
  ['page', () => t('Page')],
];

/** All keys of the page, in a dialog. */
export function showHelp(commands: Command[], presets: WindowPreset[]): void {
  const dialog = h('dialog', { class: 'v-dialog v-help', 'aria-labelledby': 'viewer-help' });
  const columns = h('div', { class: 'help-columns' });
  for (const [group, title] of GROUPS) {
    const own = commands.filter(
      (command) => command.group === group && command.keys.length && (command.available?.() ?? true),
    );
    if (!own.length) continue;
    const list = h('dl', {});
    for (const command of own) list.append(line(command.keys.map(keyLabel), command.label));
    if (group === 'image')
      presets.forEach((preset, i) => {
        list.append(line([String(i + 1)], `${t('Window: {name}', { name: preset.label })}`));
      });
    columns.append(h('section', {}, h('h3', {}, title()), list));
  }
  columns.append(
    h(
      'section',
      {},
      h('h3', {}, t('Mouse and touch')),
      h(
        'dl',
        {},
        line([t('Wheel')], t('Scroll')),
        line([t('Ctrl + wheel')], t('Zoom')),
        line([t('Left button')], t('The chosen tool')),
        line([t('Right button')], t('Window')),
        line([t('Middle button')], t('Pan')),
        line([t('Shift + left')], t('Pan')),
        line([t('Ctrl + left')], t('Zoom')),
        line([t('Double click')], t('One viewport alone, and back')),
        line([t('Two fingers')], t('Zoom')),
      ),
    ),
  );
  dialog.append(
    h(
      'header',
      {},
      h('h2', { id: 'viewer-help' }, t('Keys of the viewer')),
      h('p', { class: 'help-note' }, t('Keys act while an image has the focus.')),
      h('button', { type: 'button', class: 'v-button', onclick: () => dialog.close(), autofocus: true }, t('Close')),
    ),
    columns,
  );
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function line(keys: string[], label: string): HTMLElement {
  return h('div', {}, h('dt', {}, ...keys.map((key) => h('kbd', {}, key))), h('dd', {}, label));
}
