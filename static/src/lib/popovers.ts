/** Places popovers beside the button that opened them, and gives menus their arrow keys. */
import { autoUpdate, computePosition, flip, offset, shift } from '@floating-ui/dom';
import { on } from './dom';

const running = new WeakMap<HTMLElement, () => void>();

function invokerOf(popover: HTMLElement): HTMLElement | null {
  const id = CSS.escape(popover.id);
  return document.querySelector<HTMLElement>(`[popovertarget="${id}"]:not([popovertargetaction="hide"])`);
}

function place(popover: HTMLElement, invoker: HTMLElement): () => void {
  const placement = popover.dataset['placement'] === 'end' ? 'bottom-end' : 'bottom-start';
  return autoUpdate(invoker, popover, async () => {
    const { x, y } = await computePosition(invoker, popover, {
      strategy: 'fixed',
      placement,
      middleware: [offset(4), flip({ padding: 8 }), shift({ padding: 8 })],
    });
    popover.style.translate = `${Math.round(x)}px ${Math.round(y)}px`;
  });
}

function itemsOf(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>('[role^="menuitem"]:not([disabled])')];
}

export function startPopovers(): void {
  document.addEventListener(
    'toggle',
    (event) => {
      const popover = event.target;
      if (!(popover instanceof HTMLElement) || !popover.matches('.menu, .popover')) return;
      const invoker = invokerOf(popover);
      const open = (event as ToggleEvent).newState === 'open';
      invoker?.setAttribute('aria-expanded', String(open));
      running.get(popover)?.();
      running.delete(popover);
      if (!open || !invoker) return;
      running.set(popover, place(popover, invoker));
      if (popover.getAttribute('role') === 'menu') itemsOf(popover)[0]?.focus();
      else popover.querySelector<HTMLElement>('[autofocus], input, button, a')?.focus();
    },
    true,
  );

  on('keydown', '[role="menu"]', (menu, event) => {
    const items = itemsOf(menu);
    const at = items.indexOf(document.activeElement as HTMLElement);
    const step: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
    const next = step[event.key];
    if (next !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      items[(next + items.length) % items.length]?.focus();
    } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
      event.stopPropagation();
      const letter = event.key.toLowerCase();
      const order = [...items.slice(at + 1), ...items.slice(0, at + 1)];
      order.find((item) => item.textContent?.trim().toLowerCase().startsWith(letter))?.focus();
    }
  });

  // Choosing closes the menu; a control that keeps it open says so.
  on('click', '.menu [role="menuitem"]', (item) => {
    if (item.dataset['keepOpen'] === undefined) item.closest<HTMLElement>('[popover]')?.hidePopover();
  });
}
