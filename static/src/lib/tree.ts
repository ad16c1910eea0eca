/** The tree pattern (WAI-ARIA): one tab stop, arrows walk, right opens, left closes, Enter follows. */
import { isVisible, on } from './dom';

function visibleItems(tree: Element): HTMLElement[] {
  return [...tree.querySelectorAll<HTMLElement>('[role="treeitem"]')].filter(isVisible);
}

function focusItem(tree: Element, item: HTMLElement | null | undefined): void {
  if (!item) return;
  for (const other of tree.querySelectorAll<HTMLElement>('[role="treeitem"]')) other.tabIndex = -1;
  item.tabIndex = 0;
  item.focus();
}

function setExpanded(item: HTMLElement, expanded: boolean): void {
  if (item.hasAttribute('aria-expanded')) item.setAttribute('aria-expanded', String(expanded));
}

export function startTrees(): void {
  on('click', '[role="treeitem"] > .tree-row', (row, event) => {
    const item = row.parentElement;
    const tree = row.closest('[role="tree"]');
    if (!item || !tree || (event.target as Element).closest('a')) return;
    setExpanded(item, item.getAttribute('aria-expanded') !== 'true');
    focusItem(tree, item);
  });

  on('keydown', '[role="tree"]', (tree, event) => {
    const item = (event.target as Element).closest<HTMLElement>('[role="treeitem"]');
    if (!item) return;
    const items = visibleItems(tree);
    const at = items.indexOf(item);
    switch (event.key) {
      case 'ArrowDown':
        focusItem(tree, items[at + 1]);
        break;
      case 'ArrowUp':
        focusItem(tree, items[at - 1]);
        break;
      case 'Home':
        focusItem(tree, items[0]);
        break;
      case 'End':
        focusItem(tree, items.at(-1));
        break;
      case 'ArrowRight':
        if (item.getAttribute('aria-expanded') === 'false') setExpanded(item, true);
        else focusItem(tree, item.querySelector<HTMLElement>('[role="treeitem"]'));
        break;
      case 'ArrowLeft':
        if (item.getAttribute('aria-expanded') === 'true') setExpanded(item, false);
        else focusItem(tree, item.parentElement?.closest<HTMLElement>('[role="treeitem"]'));
        break;
      case 'Enter':
      case ' ':
        item.querySelector<HTMLElement>(':scope > .tree-row a')?.click();
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
}
