import type { MarkTool, Point } from './contract';

/** A mark of middling size in the middle of what is on screen (`rect`: left, top, right, bottom in image pixels). */
export function shapeIn(tool: MarkTool, rect: [number, number, number, number]): Point[] {
  const x = Math.round((rect[0] + rect[2]) / 2);
  const y = Math.round((rect[1] + rect[3]) / 2);
  const r = Math.max(2, Math.round(Math.min(rect[2] - rect[0], rect[3] - rect[1]) / 12));
  const circle = (n: number): Point[] =>
    Array.from({ length: n }, (_unused, i) => [
      x + r * Math.cos((2 * Math.PI * i) / n),
      y + r * Math.sin((2 * Math.PI * i) / n),
    ]);
  const shapes: Record<MarkTool, Point[]> = {
    length: [
      [x - r, y],
      [x + r, y],
    ],
    bidirectional: [
      [x - r, y],
      [x + r, y],
      [x, y - r / 2],
      [x, y + r / 2],
    ],
    angle: [
      [x - r, y - r],
      [x, y],
      [x + r, y - r],
    ],
    ellipse: [
      [x, y - r],
      [x, y + r],
      [x - r, y],
      [x + r, y],
    ],
    rectangle: [
      [x - r, y - r],
      [x + r, y - r],
      [x - r, y + r],
      [x + r, y + r],
    ],
    freehand: circle(24),
    probe: [[x, y]],
    arrow: [
      [x, y],
      [x + r, y + r],
    ],
  };
  return shapes[tool];
}
