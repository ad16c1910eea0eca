/** Keys of the viewer: they act while the image has the focus, and nowhere else. */

import type { App } from './app';
import { type Command, matches, presetsOf } from './commands';
import { t } from './text';

const FIELDS = 'dialog, [popover], input, textarea, select, [contenteditable]';

export function listenForKeys(app: App, commands: () => Command[]): void {
  const grid = app.part('grid');
  // Until something else is focused or pressed the image is what one works on. What had the focus may have been replaced
  // by the server meanwhile: then the page has it, and letters meant for a text must not pick tools.
  let onImage = true;
  const follow = (event: Event): void => {
    onImage = event.target instanceof Node && grid.contains(event.target);
  };
  for (const name of ['focusin', 'pointerdown']) document.addEventListener(name, follow, { capture: true });

  const pressed = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (!grid.contains(target) && !(onImage && target === document.body)) return;
    if (!isOurs(event, target)) return;
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey;
    if (plain && /^[1-9]$/.test(event.key)) {
      const preset = presetsOf(app)[Number(event.key) - 1];
      if (!preset) return;
      app.workspace.setWindow(preset);
      app.say(t('Window: {name}', { name: preset.label }));
      take(event);
      return;
    }
    const command = commands().find((c) => c.keys.some((key) => matches(key, event)));
    if (!command || (command.available && !command.available())) return;
    // A key that is held down places one mark.
    if (!(event.repeat && command.name === 'place')) command.run();
    take(event);
    app.chromeSoon();
  };
  document.addEventListener('keydown', pressed, { capture: true });
}

function isOurs(event: KeyboardEvent, target: HTMLElement): boolean {
  if (event.defaultPrevented || target.closest(FIELDS) || document.querySelector('dialog[open]')) return false;
  const onButton = target.closest('button, a, summary, [role=button]');
  if (onButton && (event.key === 'Enter' || event.key === ' ')) return false;
  // What scrolls by itself keeps its keys.
  if (target.closest('.pane-document') && /^(Arrow|Page|Home|End)/.test(event.key) && !event.altKey) return false;
  // One switch in the profile turns off keys without a modifier, for people who dictate (WCAG 2.1.4).
  const single = !event.ctrlKey && !event.altKey && !event.metaKey && event.key.length === 1;
  return !(single && document.documentElement.dataset['keys'] === 'off' && !target.closest('.pane'));
}

function take(event: KeyboardEvent): void {
  event.preventDefault();
  event.stopImmediatePropagation();
}
