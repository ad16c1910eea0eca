/** Time since the case was opened; people who are made nervous by it hide it, and it stays hidden. */
const KEY = 'practice.timer';

export class ReadTimer extends HTMLElement {
  private ticking: number | undefined;

  connectedCallback(): void {
    const { label = '', show = '', hide = '' } = this.dataset;
    const time = document.createElement('span');
    time.className = 'read-time';
    time.setAttribute('role', 'timer');
    time.setAttribute('aria-label', label);
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'button button-quiet button-small';
    const draw = (): void => {
      const hidden = localStorage.getItem(KEY) === 'hidden';
      time.hidden = hidden;
      button.textContent = hidden ? show : hide;
    };
    button.addEventListener('click', () => {
      localStorage.setItem(KEY, localStorage.getItem(KEY) === 'hidden' ? 'shown' : 'hidden');
      draw();
    });
    this.replaceChildren(time, button);
    draw();
    this.tick(time);
    this.ticking = window.setInterval(() => this.tick(time), 1000);
  }

  disconnectedCallback(): void {
    window.clearInterval(this.ticking);
  }

  private tick(time: HTMLElement): void {
    const started = Date.parse(this.dataset['started'] ?? '');
    if (Number.isNaN(started)) return;
    const seconds = Math.max(0, Math.floor((Date.now() - started) / 1000));
    const pair = (n: number): string => String(n).padStart(2, '0');
    const hours = Math.floor(seconds / 3600);
    const rest = `${pair(Math.floor((seconds % 3600) / 60))}:${pair(seconds % 60)}`;
    time.textContent = hours ? `${hours}:${rest}` : rest;
  }
}
