type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

/** Build an element. `on…` attributes are listeners; `true` sets an empty attribute; null and false leave it out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

export function append(parent: Element, children: Child[]): void {
  for (const child of children) if (child) parent.append(child);
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number> = {},
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** Run `work` once, `wait` ms after the last call; `flush` runs it at once when it is waiting. */
export function debounce(work: () => void, wait: number): { (): void; flush(): void; cancel(): void } {
  let timer = 0;
  const call = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => {
      timer = 0;
      work();
    }, wait);
  };
  return Object.assign(call, {
    flush() {
      if (!timer) return;
      window.clearTimeout(timer);
      timer = 0;
      work();
    },
    cancel() {
      window.clearTimeout(timer);
      timer = 0;
    },
  });
}

/** Run `work` at most once a frame. */
export function eachFrame(work: () => void): () => void {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}
