import type { PatientPoint, Point } from './contract';

export type Vector = [number, number, number];

/** Where a frame lies in the patient (PS3.3 C.7.6.2.1.1). `spacing` is PixelSpacing: between rows, between columns. */
export interface Plane {
  position: Vector;
  row: Vector;
  column: Vector;
  spacing: [number, number];
}

export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const subtract = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const along = (a: Vector, b: Vector, k: number): Vector => [a[0] + b[0] * k, a[1] + b[1] * k, a[2] + b[2] * k];
export const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

export const normalOf = (plane: Plane): Vector => cross(plane.row, plane.column);

/** Distance of the plane from the origin along its own normal: what slices are sorted by. */
export const depthOf = (plane: Plane): number => dot(plane.position, normalOf(plane));

export function toPatient(plane: Plane, [column, row]: Point): PatientPoint {
  return along(along(plane.position, plane.row, column * plane.spacing[1]), plane.column, row * plane.spacing[0]);
}

export function toImage(plane: Plane, point: PatientPoint): Point {
  const d = subtract(point, plane.position);
  return [dot(d, plane.row) / plane.spacing[1], dot(d, plane.column) / plane.spacing[0]];
}

export function distanceTo(plane: Plane, point: PatientPoint): number {
  return dot(subtract(point, plane.position), normalOf(plane));
}

export function parallel(a: Plane, b: Plane): boolean {
  return Math.abs(dot(normalOf(a), normalOf(b))) > 0.99;
}

/**
 * The line in which the image `source` (as a rectangle of `size` = columns, rows) cuts the plane of `target`,
 * in pixels of `target`; null when they are parallel or do not meet.
 */
export function intersection(source: Plane, size: [number, number], target: Plane): [Point, Point] | null {
  if (parallel(source, target)) return null;
  const corners: Point[] = [
    [-0.5, -0.5],
    [size[0] - 0.5, -0.5],
    [size[0] - 0.5, size[1] - 0.5],
    [-0.5, size[1] - 0.5],
  ];
  const world = corners.map((corner) => toPatient(source, corner));
  const found: Point[] = [];
  for (let i = 0; i < 4; i += 1) {
    const a = world[i] as PatientPoint;
    const b = world[(i + 1) % 4] as PatientPoint;
    const da = distanceTo(target, a);
    const db = distanceTo(target, b);
    if (da === db || da * db > 0) continue;
    found.push(toImage(target, along(a, subtract(b, a), da / (da - db))));
  }
  return found.length >= 2 ? [found[0] as Point, found[1] as Point] : null;
}

/** The letters of a direction in the patient, e.g. "L", "RA": strongest axis first (LPS; PS3.3 C.7.6.1.1.1). */
export function direction(vector: Vector): string {
  const names: [number, string][] = [
    [Math.abs(vector[0]), vector[0] < 0 ? 'R' : 'L'],
    [Math.abs(vector[1]), vector[1] < 0 ? 'A' : 'P'],
    [Math.abs(vector[2]), vector[2] < 0 ? 'F' : 'H'],
  ];
  return names
    .filter(([size]) => size > 0.3)
    .sort((a, b) => b[0] - a[0])
    .slice(0, 2)
    .map(([, name]) => name)
    .join('');
}
