/** <pw-split name="…">: two panes and a handle that is dragged, or moved with the arrow keys. The place is kept. */
const STEP = 2;

class Split extends HTMLElement {
  connectedCallback(): void {
    const handle = this.querySelector<HTMLElement>(':scope > .split-handle');
    if (!handle) return;
    const kept = Number(localStorage.getItem(this.#store));
    this.#set(kept || Number(this.getAttribute('at') ?? 50), handle);
    handle.addEventListener('pointerdown', (event) => {
      handle.setPointerCapture(event.pointerId);
      event.preventDefault();
      handle.focus();
    });
    handle.addEventListener('pointermove', (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const box = this.getBoundingClientRect();
      this.#set(((event.clientX - box.left) / box.width) * 100, handle);
    });
    handle.addEventListener('keydown', (event) => {
      const now = Number(handle.getAttribute('aria-valuenow'));
      const next: Record<string, number> = { ArrowLeft: now - STEP, ArrowRight: now + STEP, Home: 20, End: 80 };
      const value = next[event.key];
      if (value === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.#set(value, handle);
    });
  }

  get #store(): string {
    return `pw-split:${this.getAttribute('name') ?? ''}`;
  }

  #set(percent: number, handle: HTMLElement): void {
    const value = Math.round(Math.max(20, Math.min(80, percent)));
    this.style.setProperty('--split', `${value}%`);
    handle.setAttribute('aria-valuenow', String(value));
    if (this.getAttribute('name')) localStorage.setItem(this.#store, String(value));
  }
}

customElements.define('pw-split', Split);
