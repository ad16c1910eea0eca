/** The series list and the panel: open or closed, remembered on wide screens, one at a time on small ones. */

export type Side = 'rail' | 'panel';

const KEPT = 'pacsweb-viewer';

export class Sides {
  constructor(private readonly root: HTMLElement) {
    const kept = this.kept();
    for (const side of ['rail', 'panel'] as const) {
      const open = this.isSmall() ? false : (kept[side] ?? true);
      root.dataset[side] = open ? 'open' : 'closed';
    }
  }

  isOpen(side: Side): boolean {
    return this.root.dataset[side] !== 'closed';
  }

  isSmall(): boolean {
    return window.matchMedia('(max-width: 760px)').matches;
  }

  toggle(side: Side): void {
    const open = !this.isOpen(side);
    this.root.dataset[side] = open ? 'open' : 'closed';
    if (this.isSmall()) {
      if (open) this.root.dataset[side === 'rail' ? 'panel' : 'rail'] = 'closed';
      return;
    }
    try {
      localStorage.setItem(KEPT, JSON.stringify({ ...this.kept(), [side]: open }));
    } catch {
      // Without storage the sides open as they come.
    }
  }

  private kept(): Partial<Record<Side, boolean>> {
    try {
      return JSON.parse(localStorage.getItem(KEPT) ?? '{}') as Partial<Record<Side, boolean>>;
    } catch {
      return {};
    }
  }
}
