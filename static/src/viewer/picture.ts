import { h } from './dom';
import type { Pane } from './pane';

/** The image as it stands, marks included, without what is written in the corners. */
export async function pictureOf(pane: Pane): Promise<Blob | null> {
  const { viewport } = pane;
  if (!viewport || pane.drawn < 0) return null;
  const source = viewport.getCanvas();
  const canvas = h('canvas', { width: source.width, height: source.height });
  const context = canvas.getContext('2d');
  if (!context) return null;
  context.drawImage(source, 0, 0);
  const layer = pane.element.querySelector('svg.svg-layer');
  if (layer) {
    const copy = layer.cloneNode(true) as SVGSVGElement;
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    copy.setAttribute('width', String(pane.element.clientWidth));
    copy.setAttribute('height', String(pane.element.clientHeight));
    const picture = new Image();
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
    await picture.decode();
    context.drawImage(picture, 0, 0, source.width, source.height);
  }
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}
