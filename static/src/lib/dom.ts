/** Small DOM helpers shared by the behaviours. */

/** Listen on the document for events whose path passes an element that matches `selector`. */
export function on<K extends keyof DocumentEventMap>(
  type: K,
  selector: string,
  handle: (element: HTMLElement, event: DocumentEventMap[K]) => void,
  options?: AddEventListenerOptions,
): void {
  document.addEventListener(
    type,
    (event) => {
      const target = event.target;
      if (!(target instanceof Element)) return;
      const found = target.closest<HTMLElement>(selector);
      if (found) handle(found, event);
    },
    options,
  );
}

/** Whether a key press belongs to a text field rather than to the page. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  if (target instanceof HTMLInputElement) {
    return !['checkbox', 'radio', 'button', 'submit', 'reset', 'range', 'file', 'color'].includes(target.type);
  }
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

export function isVisible(element: Element): boolean {
  return element.checkVisibility?.({ visibilityProperty: true }) ?? true;
}

let serial = 0;

/** An id that no other element of the page has. */
export function freshId(prefix: string): string {
  serial += 1;
  return `${prefix}-${serial}`;
}
