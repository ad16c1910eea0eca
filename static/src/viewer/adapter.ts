/** Marks in image terms ↔ annotations of the drawing library in world coordinates. */

import type { LayerRole, Mark, MarkTool, Measurement, Point, Verdict } from './contract';
import { annotation, cache, MARK_CLASSES, type MarkData, markToolOf, metaData, type Types } from './cornerstone';
import { cross, type Plane, toImage, toPatient, type Vector } from './geometry';
import type { ImageRef } from './series';
import { number, t } from './text';

export interface Annotation {
  annotationUID?: string;
  invalidated?: boolean;
  highlighted?: boolean;
  isLocked?: boolean;
  isVisible?: boolean;
  metadata: {
    toolName: string;
    referencedImageId?: string;
    FrameOfReferenceUID?: string;
    viewPlaneNormal?: Types.Point3;
    viewUp?: Types.Point3;
  };
  data: MarkData;
}

const MAX_OUTLINE = 2000;

/** The plane as the drawing library has it, defaults included: what its world coordinates refer to. */
export function worldPlane(imageId: string): Plane {
  const module = metaData.get('imagePlaneModule', imageId) as {
    imagePositionPatient?: Vector;
    rowCosines?: Vector;
    columnCosines?: Vector;
    rowPixelSpacing?: number;
    columnPixelSpacing?: number;
  } | null;
  return {
    position: module?.imagePositionPatient ?? [0, 0, 0],
    row: module?.rowCosines ?? [1, 0, 0],
    column: module?.columnCosines ?? [0, 1, 0],
    spacing: [module?.rowPixelSpacing || 1, module?.columnPixelSpacing || 1],
  };
}

/** The group annotations of an image are kept in; images without a frame of reference share one. */
export function groupOf(imageId: string): string {
  const module = metaData.get('imagePlaneModule', imageId) as { frameOfReferenceUID?: string } | null;
  return String(module?.frameOfReferenceUID);
}

export function toAnnotation(mark: Mark, image: ImageRef): Annotation {
  const plane = worldPlane(image.id);
  const world = mark.points.map((point) => toPatient(plane, point) as Types.Point3);
  const normal = cross(plane.row, plane.column);
  const freehand = mark.tool === 'freehand';
  return {
    annotationUID: mark.id,
    invalidated: true,
    highlighted: false,
    isLocked: false,
    isVisible: true,
    metadata: {
      toolName: MARK_CLASSES[mark.tool],
      referencedImageId: image.id,
      FrameOfReferenceUID: groupOf(image.id),
      viewPlaneNormal: [-normal[0], -normal[1], -normal[2]],
      viewUp: [-plane.column[0], -plane.column[1], -plane.column[2]],
    },
    data: {
      label: mark.label || (mark.tool === 'arrow' ? ' ' : ''),
      cachedStats: {},
      handles: {
        points: freehand ? [] : world,
        activeHandleIndex: null,
        arrowFirst: true,
        textBox: {
          hasMoved: false,
          worldPosition: [0, 0, 0],
          worldBoundingBox: {
            topLeft: [0, 0, 0],
            topRight: [0, 0, 0],
            bottomLeft: [0, 0, 0],
            bottomRight: [0, 0, 0],
          },
        },
      },
      ...(freehand ? { contour: { polyline: world, closed: true } } : {}),
    },
  };
}

export function toMark(
  source: Annotation,
  image: ImageRef,
  keep: Pick<Mark, 'label' | 'confidence' | 'group' | 'verdict'>,
): Mark | null {
  const tool = markToolOf(source.metadata.toolName);
  const world = (tool === 'freehand' ? source.data.contour?.polyline : source.data.handles.points) ?? [];
  if (!tool || !source.annotationUID || !world.length) return null;
  const plane = worldPlane(image.id);
  const inside = (point: Point): Point => [
    Math.min(image.columns, Math.max(-1, point[0])),
    Math.min(image.rows, Math.max(-1, point[1])),
  ];
  const points = thin(world.map((point) => inside(toImage(plane, point as Vector))));
  const known = image.plane && image.frameOfReference ? image.plane : null;
  return {
    id: source.annotationUID,
    tool,
    series_instance_uid: image.series,
    sop_instance_uid: image.sop,
    frame: image.frame,
    points: points.map(([x, y]) => [round(x), round(y)]),
    patient_points: known ? points.map((point) => toPatient(known, point).map(round) as Vector) : null,
    frame_of_reference_uid: known ? image.frameOfReference : null,
    label: keep.label,
    confidence: keep.confidence,
    group: keep.group,
    verdict: keep.verdict,
    measurements: measurementsOf(tool, source.data),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

function thin(points: Point[]): Point[] {
  if (points.length <= MAX_OUTLINE) return points;
  const step = points.length / MAX_OUTLINE;
  return Array.from({ length: MAX_OUTLINE }, (_unused, i) => points[Math.floor(i * step)] as Point);
}

/** Statistics of the library → our names and UCUM units. */
export function measurementsOf(tool: MarkTool, data: MarkData, targetId?: string): Measurement[] {
  const all = data.cachedStats ?? {};
  const stats = (targetId ? all[targetId] : undefined) ?? Object.values(all).find((s) => Object.keys(s).length > 0);
  if (!stats) return [];
  const found: Measurement[] = [];
  const put = (name: string, value: unknown, unit: string): void => {
    const single = Array.isArray(value) ? value[0] : value;
    if (typeof single === 'number' && Number.isFinite(single)) found.push({ name, value: round(single), unit });
  };
  const length = unitOf(stats['unit']);
  const area = unitOf(stats['areaUnit']);
  const values = unitOf(stats['modalityUnit']);
  switch (tool) {
    case 'length':
      put('length', stats['length'], length);
      break;
    case 'bidirectional':
      put('long_axis', stats['length'], length);
      put('short_axis', stats['width'], length);
      break;
    case 'angle':
      put('angle', stats['angle'], 'deg');
      break;
    case 'probe': {
      const value = pixelAt(targetId ?? Object.keys(all)[0] ?? '', data.handles.points[0] as Vector | undefined);
      if (value.length > 1) {
        (['red', 'green', 'blue'] as const).forEach((name, i) => {
          put(name, value[i], '');
        });
      } else put('value', value[0], values);
      break;
    }
    case 'ellipse':
    case 'rectangle':
    case 'freehand':
      put('area', stats['area'], area);
      put('mean', stats['mean'], values);
      put('sd', stats['stdDev'], values);
      put('min', stats['min'], values);
      put('max', stats['max'], values);
      break;
    default:
  }
  return found;
}

/** The stored values of the pixel under a point, rescaled as the image says; empty outside the image. */
function pixelAt(targetId: string, world: Vector | undefined): number[] {
  const imageId = targetId.replace(/^imageId:/, '');
  const image = cache.getImage(imageId);
  if (!image || !world) return [];
  const [x, y] = toImage(worldPlane(imageId), world).map(Math.round) as Point;
  if (x < 0 || y < 0 || x >= image.columns || y >= image.rows) return [];
  // What is drawn may have gone through a table or under an overlay; the values themselves are asked of the voxels.
  const value: unknown = image.voxelManager?.getAtIndex(y * image.columns + x);
  return Array.isArray(value) || ArrayBuffer.isView(value)
    ? Array.from(value as unknown as ArrayLike<number>)
        .slice(0, 3)
        .map(Number)
    : [Number(value)];
}

function unitOf(value: unknown): string {
  const unit = typeof value === 'string' ? value : Array.isArray(value) ? String(value[0] ?? '') : '';
  if (unit === 'HU') return "[hnsf'U]";
  if (unit.startsWith('px')) return unit.includes('²') ? 'px2' : 'px';
  if (unit.startsWith('mm')) return unit.includes('²') ? 'mm2' : 'mm';
  if (unit.startsWith('cm')) return unit.includes('²') ? 'cm2' : 'cm';
  return unit === 'raw' ? '' : unit.slice(0, 16);
}

const UNITS: Record<string, string> = { "[hnsf'U]": 'HU', mm2: 'mm²', px2: 'px²', cm2: 'cm²', deg: '°' };

export function quantity(measurement: Measurement): string {
  const unit = UNITS[measurement.unit] ?? measurement.unit;
  // A tenth of a centimetre would be a millimetre: twice as many places, for the same exactness.
  const digits = { px: 0, px2: 0, cm: 2, cm2: 3 }[measurement.unit] ?? 1;
  return `${number(measurement.value, digits)}${unit === '°' || !unit ? unit : ` ${unit}`}`;
}

const VERDICTS: Record<Verdict, () => string> = {
  hit: () => t('hit'),
  miss: () => t('missed'),
  false: () => t('false mark'),
};
const AREA_TOOLS: MarkTool[] = ['ellipse', 'rectangle', 'freehand'];

/** A lesion is found, a mark is a hit. */
function verdictWord(verdict: Verdict, role: LayerRole | undefined): string {
  return role === 'truth' && verdict === 'hit' ? t('found') : VERDICTS[verdict]();
}

/** The lines written beside a mark: its label and verdict, then its values. An outline of the truth says where, not how much. */
export function linesOf(
  tool: MarkTool,
  measurements: Measurement[],
  label: string,
  verdict: Verdict | null,
  role?: LayerRole,
): string[] {
  const by = new Map(measurements.map((m) => [m.name, m]));
  const say = (name: string): string => {
    const m = by.get(name);
    return m ? quantity(m) : '';
  };
  const head = [label.trim(), verdict ? verdictWord(verdict, role) : ''].filter(Boolean).join(' · ');
  const lines: string[] = head ? [head] : [];
  if (role === 'truth' && AREA_TOOLS.includes(tool)) return lines;
  switch (tool) {
    case 'length':
      if (by.has('length')) lines.push(say('length'));
      break;
    case 'bidirectional':
      if (by.has('long_axis')) lines.push(`${say('long_axis')} × ${say('short_axis')}`);
      break;
    case 'angle':
      if (by.has('angle')) lines.push(say('angle'));
      break;
    case 'probe':
      if (by.has('value')) lines.push(say('value'));
      else if (by.has('red')) lines.push(['red', 'green', 'blue'].map(say).join(' / '));
      break;
    case 'arrow':
      break;
    default:
      if (by.has('mean')) lines.push(`${t('Mean')} ${say('mean')}  ${t('SD')} ${number(by.get('sd')?.value ?? 0)}`);
      if (by.has('min')) lines.push(`${t('Min')} ${number(by.get('min')?.value ?? 0)}  ${t('Max')} ${say('max')}`);
      if (by.has('area')) lines.push(`${t('Area')} ${say('area')}`);
  }
  return lines;
}

export interface MarkStyle {
  color: string;
  dash: string;
  /** Whether there are words to write beside the mark. */
  text: boolean;
}

export function paint(id: string, style: MarkStyle, emphasised: boolean): void {
  const text = {
    textBoxColor: style.color,
    textBoxColorHighlighted: style.color,
    textBoxColorSelected: style.color,
    textBoxColorLocked: style.color,
  };
  annotation.config.style.setAnnotationStyles(id, {
    color: style.color,
    colorHighlighted: style.color,
    colorSelected: style.color,
    colorLocked: style.color,
    lineDash: style.dash,
    textBoxVisibility: style.text,
    lineWidth: emphasised ? '2.5' : '1.5',
    ...text,
  } as never);
}
