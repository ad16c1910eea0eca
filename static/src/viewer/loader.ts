/** Which pixels are fetched next: what is looked at first, then its neighbours, then what else is on screen. */

import { cache, Enums, eventTarget, imageLoader } from './cornerstone';
import type { ImageRef, Series } from './series';
import { reasonOf } from './series';

/** Browsers open six connections to a host; two stay free for what the person asks for. */
const PREFETCHES = 4;
const FULL = 0.85;
const HALF = 0.5;
const PATIENCE = 60_000;

export interface Viewer {
  readonly series: Series | null;
  readonly index: number;
}

export class Loader {
  /** Viewports on screen, the active one first. */
  visible: () => Viewer[] = () => [];
  /** Other series worth having, in the order of their priority. */
  others: () => Series[] = () => [];
  onChange: (series: Series) => void = () => {};
  paused = false;

  private readonly owner = new Map<string, Series>();
  private readonly busy = new Map<string, Promise<void>>();
  private prefetching = 0;

  constructor() {
    const listen = (name: string, take: (id: string) => void): void => {
      eventTarget.addEventListener(name, ((event: CustomEvent<{ image?: { imageId: string }; imageId?: string }>) => {
        const id = event.detail.image?.imageId ?? event.detail.imageId;
        if (id) take(id);
      }) as EventListener);
    };
    listen(Enums.Events.IMAGE_CACHE_IMAGE_REMOVED, (id) => {
      const series = this.owner.get(id);
      if (series?.cached.delete(id)) this.onChange(series);
    });
  }

  adopt(series: Series): void {
    for (const image of series.images) this.owner.set(image.id, series);
  }

  /** Have the pixels of one image in memory. Rejects with a reason when they cannot be had. */
  async load(series: Series, image: ImageRef, options: { prefetch: boolean } = { prefetch: false }): Promise<void> {
    const running = this.busy.get(image.id);
    if (running) return running;
    if (series.cached.has(image.id) && cache.getImage(image.id)) return;
    const work = this.fetch(series, image, options.prefetch);
    this.busy.set(image.id, work);
    try {
      await work;
    } finally {
      this.busy.delete(image.id);
    }
  }

  private async fetch(series: Series, image: ImageRef, prefetch: boolean): Promise<void> {
    const type = prefetch ? Enums.RequestType.Prefetch : Enums.RequestType.Interaction;
    let timer = 0;
    const late = new Promise<never>((_resolve, reject) => {
      timer = window.setTimeout(() => reject(Object.assign(new Error('timeout'), { status: 0 })), PATIENCE);
    });
    try {
      await Promise.race([series.prepare(image), late]);
      const options = { useRGBA: false, priority: prefetch ? 5 : -5, requestType: type };
      await Promise.race([imageLoader.loadAndCacheImage(image.id, options as never), late]);
      series.cached.add(image.id);
      series.failed.delete(image.id);
    } catch (error) {
      const reason = reasonOf(error);
      series.failed.set(image.id, reason);
      // A failed promise must not answer the next try from the cache.
      if (cache.getImageLoadObject(image.id)) cache.removeImageLoadObject(image.id, { force: true });
      throw Object.assign(new Error(reason), { cause: error });
    } finally {
      window.clearTimeout(timer);
      this.onChange(series);
    }
  }

  /** Forget failures, e.g. after signing in again. */
  forgive(): void {
    for (const series of new Set(this.owner.values())) series.failed.clear();
    this.refill();
  }

  refill(): void {
    if (this.paused) return;
    while (this.prefetching < PREFETCHES) {
      const next = this.pick();
      if (!next) return;
      this.prefetching += 1;
      this.load(next.series, next.image, { prefetch: true })
        .catch(() => {})
        .finally(() => {
          this.prefetching -= 1;
          this.refill();
        });
    }
  }

  private pick(): { series: Series; image: ImageRef } | null {
    const used = cache.getCacheSize() / cache.getMaxCacheSize();
    if (used > FULL) return null;
    for (const pane of this.visible()) {
      const found = pane.series && this.around(pane.series, pane.index);
      if (found) return { series: pane.series as Series, image: found };
    }
    const thrifty = (navigator as { connection?: { saveData?: boolean } }).connection?.saveData;
    if (used > HALF || thrifty) return null;
    for (const series of this.others()) {
      const found = this.around(series, Math.floor(series.images.length / 2));
      if (found) return { series, image: found };
    }
    return null;
  }

  /** The nearest image to `index` that is not here yet; a little further ahead than behind. */
  private around(series: Series, index: number): ImageRef | null {
    const { images } = series;
    const wanted = (i: number): ImageRef | null => {
      const image = images[i];
      if (!image || series.cached.has(image.id) || this.busy.has(image.id) || series.failed.has(image.id)) return null;
      return image;
    };
    for (let step = 0; step <= images.length; step += 1) {
      const found = wanted(index + step) ?? wanted(index - step);
      if (found) return found;
    }
    return null;
  }
}
