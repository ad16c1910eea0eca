/** Menus of the tool strip: a button and a list in the top layer, worked with arrow keys. */

import { h } from './dom';
import { type IconName, icon } from './icons';

export interface MenuItem {
  label: string;
  key?: string;
  checked?: boolean;
  disabled?: boolean;
  act: () => void;
  heading?: false;
}
export interface MenuHeading {
  label: string;
  heading: true;
}
export interface MenuContent {
  content: HTMLElement;
}

type Entry = MenuItem | MenuHeading | MenuContent;

let made = 0;

export function menuButton(options: {
  icon: IconName;
  label: string;
  entries: () => Entry[];
  text?: boolean;
}): HTMLElement {
  made += 1;
  const id = `viewer-menu-${made}`;
  const button = h(
    'button',
    {
      type: 'button',
      class: 'tool has-menu',
      title: options.label,
      'aria-label': options.label,
      'aria-haspopup': 'menu',
      'aria-expanded': 'false',
      popovertarget: id,
    },
    icon(options.icon) as HTMLElement,
    options.text ? h('span', { class: 'tool-text' }, options.label) : null,
    icon('down', 10) as HTMLElement,
  );
  const menu = h('div', { id, popover: 'auto', class: 'v-menu', role: 'menu', 'aria-label': options.label });
  menu.addEventListener('beforetoggle', (event) => {
    const opening = (event as ToggleEvent).newState === 'open';
    button.setAttribute('aria-expanded', String(opening));
    if (opening) menu.replaceChildren(...options.entries().map((entry) => draw(entry, menu)));
  });
  menu.addEventListener('toggle', (event) => {
    if ((event as ToggleEvent).newState !== 'open') return;
    place(button, menu);
    items(menu)[0]?.focus();
  });
  menu.addEventListener('keydown', (event) => {
    const all = items(menu);
    const at = all.indexOf(document.activeElement as HTMLElement);
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
    const next = steps[event.key];
    if (next === undefined || document.activeElement instanceof HTMLInputElement) return;
    event.preventDefault();
    event.stopPropagation();
    all[(next + all.length) % all.length]?.focus();
  });
  return h('span', { class: 'menu-holder' }, button, menu);
}

function items(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>('[role^=menuitem]:not([disabled]), input')];
}

function draw(entry: Entry, menu: HTMLElement): HTMLElement {
  if ('content' in entry) return entry.content;
  if (entry.heading) return h('div', { class: 'v-menu-heading', role: 'presentation' }, entry.label);
  const checkable = entry.checked !== undefined;
  return h(
    'button',
    {
      type: 'button',
      role: checkable ? 'menuitemcheckbox' : 'menuitem',
      'aria-checked': checkable ? String(entry.checked) : null,
      disabled: entry.disabled ?? false,
      class: 'v-menu-item',
      onclick: () => {
        menu.hidePopover();
        entry.act();
      },
    },
    h('span', { class: 'v-menu-check' }, entry.checked ? (icon('check', 14) as HTMLElement) : null),
    h('span', { class: 'v-menu-label' }, entry.label),
    entry.key ? h('kbd', {}, entry.key) : null,
  );
}

function place(button: HTMLElement, menu: HTMLElement): void {
  const box = button.getBoundingClientRect();
  const { offsetWidth, offsetHeight } = menu;
  const below = box.bottom + 4;
  const top = below + offsetHeight <= window.innerHeight ? below : Math.max(4, box.top - offsetHeight - 4);
  menu.style.top = `${top}px`;
  menu.style.left = `${Math.max(4, Math.min(box.left, window.innerWidth - offsetWidth - 4))}px`;
}
