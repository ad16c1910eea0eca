/** Keys of the viewer. They come before those of the page around it. */

import type { App } from './app';
import { type Command, matches, presetsOf } from './commands';
import { t } from './text';

const FIELDS = 'dialog, [popover], input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]';

export function listenForKeys(app: App, commands: () => Command[]): void {
  const pressed = (event: KeyboardEvent): void => {
    if (!isOurs(event)) return;
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
    command.run();
    take(event);
    app.chromeSoon();
  };
  document.addEventListener('keydown', pressed, { capture: true });
}

function isOurs(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  if (event.defaultPrevented || target.closest(FIELDS) || document.querySelector('dialog[open]')) return false;
  const onButton = target.closest('button, a, summary, [role=button]');
  if (onButton && (event.key === 'Enter' || event.key === ' ')) return false;
  const moving = /^(Arrow|Page|Home|End)/.test(event.key);
  if (target instanceof HTMLInputElement && (moving || event.key === ' ')) return false;
  // What scrolls by itself keeps its keys.
  if (target.closest('.pane-document, .viewer-panel') && moving && !event.altKey) return false;
  // One switch in the profile turns off keys without a modifier, for people who dictate (WCAG 2.1.4).
  const single = !event.ctrlKey && !event.altKey && !event.metaKey && event.key.length === 1;
  return !(single && document.documentElement.dataset['keys'] === 'off' && !target.closest('.pane'));
}

function take(event: KeyboardEvent): void {
  event.preventDefault();
  event.stopImmediatePropagation();
}
