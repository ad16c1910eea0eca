/** A row of tabs that is wider than its place: the current tab is in view, and an edge fades where there is more. */

const known = new WeakSet<HTMLElement>();

function showCurrent(row: HTMLElement): void {
  const current = row.querySelector('[aria-current]');
  if (!current || row.scrollWidth <= row.clientWidth) return;
  const [outer, inner] = [row.getBoundingClientRect(), current.getBoundingClientRect()];
  // In the middle, so that the neighbours on both sides can be seen. Only the row scrolls, never the page.
  row.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
}

function markEdges(row: HTMLElement): void {
  const before = Math.abs(row.scrollLeft);
  row.toggleAttribute('data-more-before', before > 1);
  row.toggleAttribute('data-more-after', before + row.clientWidth < row.scrollWidth - 1);
}

function startRows(): void {
  for (const row of document.querySelectorAll<HTMLElement>('.tabs')) {
    if (known.has(row)) continue;
    known.add(row);
    row.addEventListener('scroll', () => markEdges(row), { passive: true });
    // Also called once at the beginning, and when fonts have come and the tabs changed their width.
    const watch = new ResizeObserver(() => {
      showCurrent(row);
      markEdges(row);
    });
    watch.observe(row);
    for (const tab of row.children) watch.observe(tab);
  }
}

export function startTabs(): void {
  startRows();
  document.addEventListener('htmx:afterSettle', startRows);
}
