/** What was on screen for how long, for search-coverage replay and for the audit of opened series. */

import { SignedOut, sendJson } from './api';
import type { Telemetry as Settings } from './contract';
import type { Pane } from './pane';

interface ViewEvent {
  series: string;
  instance: string;
  frame: number;
  ms: number;
  zoom: number;
  voi: [number, number] | null;
  rect: [number, number, number, number] | null;
  at: number;
}

interface Look {
  since: number;
  event: Omit<ViewEvent, 'ms'>;
}

const LEAST = 30;
const MOST = 400;

export class Telemetry {
  private readonly looks = new Map<Pane, Look>();
  private queue: ViewEvent[] = [];
  private timer = 0;

  constructor(
    private settings: Settings | null,
    private readonly panes: () => Pane[],
  ) {
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) {
        this.closeAll();
        void this.send(true);
      } else for (const pane of this.panes()) this.look(pane);
    });
    window.addEventListener('pagehide', () => {
      this.closeAll();
      void this.send(true);
    });
  }

  adopt(settings: Settings | null): void {
    this.settings = settings;
    window.clearInterval(this.timer);
    if (settings) this.timer = window.setInterval(() => void this.tick(), Math.max(1000, settings.interval_ms));
  }

  /** The pane shows another image, window or part: close the look that ended and begin the next. */
  look(pane: Pane): void {
    this.close(pane);
    const { image } = pane;
    if (!image || pane.drawn !== pane.index || document.hidden) return;
    const window = pane.window;
    const rect = pane.visibleRect();
    const now = performance.now();
    this.looks.set(pane, {
      since: now,
      event: {
        series: image.series,
        instance: image.sop,
        frame: image.frame,
        zoom: Math.round(pane.zoom * 1000) / 1000,
        voi: window ? [Math.round(window.center * 10) / 10, Math.round(window.width * 10) / 10] : null,
        rect: rect && (rect.map((n) => Math.round(n * 10) / 10) as [number, number, number, number]),
        at: Math.round(now),
      },
    });
  }

  close(pane: Pane): void {
    const look = this.looks.get(pane);
    this.looks.delete(pane);
    if (!look || !this.settings) return;
    const ms = Math.round(performance.now() - look.since);
    if (ms >= LEAST) this.queue.push({ ...look.event, ms });
    if (this.queue.length > MOST) void this.send(false);
  }

  private closeAll(): void {
    for (const pane of [...this.looks.keys()]) this.close(pane);
  }

  private async tick(): Promise<void> {
    for (const pane of this.panes()) if (this.looks.has(pane)) this.look(pane);
    await this.send(false);
  }

  async flush(): Promise<void> {
    for (const pane of this.panes()) if (this.looks.has(pane)) this.look(pane);
    await this.send(false);
  }

  private async send(leaving: boolean): Promise<void> {
    if (!this.settings || !this.queue.length) return;
    const events = this.queue.splice(0, MOST);
    try {
      await sendJson('POST', this.settings.url, { events }, { keepalive: leaving });
    } catch (error) {
      // Kept for the next round while there is hope; a full queue drops its oldest looks.
      if (error instanceof SignedOut || this.queue.length < MOST) this.queue.unshift(...events);
      this.queue.splice(0, Math.max(0, this.queue.length - 2 * MOST));
    }
  }
}
