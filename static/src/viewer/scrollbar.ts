import type { Series } from './series';

/** Position in the stack, and which images are in memory (bright) or could not be read (red). */
export function drawScrollbar(canvas: HTMLCanvasElement, series: Series | null, index: number): void {
  const count = series?.images.length ?? 0;
  canvas.hidden = count < 2;
  if (!series || count < 2) return;
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext('2d');
  if (!context) return;
  context.clearRect(0, 0, width, height);
  const track = Math.round(3 * ratio);
  const left = width - track - Math.round(3 * ratio);
  context.fillStyle = 'rgba(255,255,255,.10)';
  context.fillRect(left, 0, track, height);
  const cell = height / count;
  for (let i = 0; i < count; i += 1) {
    const id = series.images[i]?.id ?? '';
    const failed = series.failed.has(id);
    if (!failed && !series.cached.has(id)) continue;
    context.fillStyle = failed ? 'rgba(255,110,100,.9)' : 'rgba(120,190,195,.55)';
    const top = Math.floor(i * cell);
    context.fillRect(left, top, track, Math.max(1, Math.ceil((i + 1) * cell) - top));
  }
  const thumb = Math.max(Math.round(6 * ratio), cell);
  const y = (index / Math.max(1, count - 1)) * (height - thumb);
  context.fillStyle = '#dfe5ea';
  context.fillRect(left - ratio, Math.round(y), track + 2 * ratio, Math.round(thumb));
}
