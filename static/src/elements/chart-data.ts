/** What a chart is fed with; documented for template authors in docs/design-system.md. */
export type ChartKind = 'line' | 'roc' | 'calibration' | 'bar' | 'heat' | 'timeline';
export type Tone = 'accent' | 'pass' | 'fail' | 'query' | 'blinded' | 'info' | 'neutral';

export interface Axis {
  label?: string;
  type?: 'number' | 'time' | 'category';
  min?: number;
  max?: number;
  unit?: string;
}

export interface Point {
  x: number | string;
  y: number;
  /** Ends of an interval around y. */
  lo?: number;
  hi?: number;
  /** How many observations are behind the point. */
  n?: number;
  /** Where a click leads. */
  href?: string;
}

export interface Series {
  name: string;
  tone?: Tone;
  points?: Point[];
  values?: (number | null)[];
  dashed?: boolean;
  /** Where a click on the n-th bar leads. */
  hrefs?: string[];
}

export interface Span {
  row: string;
  from: string;
  to: string;
  name: string;
  tone?: Tone;
  href?: string;
}

export interface ChartData {
  x?: Axis;
  y?: Axis;
  series?: Series[];
  categories?: string[];
  stacked?: boolean;
  horizontal?: boolean;
  columns?: string[];
  rows?: string[];
  /** values[row][column]; null is an empty cell. */
  values?: (number | null)[][];
  hrefs?: (string | null)[][];
  unit?: string;
  spans?: Span[];
  /** A vertical line at this x, e.g. today. */
  markX?: number | string;
}

function show(value: number | string | null | undefined): string {
  return value === null || value === undefined ? '–' : String(value);
}

/** The same numbers as rows of words. */
export function tableOf(kind: ChartKind, data: ChartData): { head: string[]; rows: string[][] } {
  if (kind === 'heat') {
    return {
      head: ['', ...(data.columns ?? [])],
      rows: (data.rows ?? []).map((name, row) => [name, ...(data.values?.[row] ?? []).map(show)]),
    };
  }
  if (kind === 'timeline') {
    return {
      head: ['', '', '', ''],
      rows: (data.spans ?? []).map((span) => [span.row, span.name, span.from, span.to]),
    };
  }
  const series = data.series ?? [];
  if (kind === 'bar') {
    return {
      head: [data.x?.label ?? '', ...series.map((one) => one.name)],
      rows: (data.categories ?? []).map((name, at) => [name, ...series.map((one) => show(one.values?.[at]))]),
    };
  }
  return {
    head: ['', data.x?.label ?? 'x', data.y?.label ?? 'y', '–', 'n'],
    rows: series.flatMap((one) =>
      (one.points ?? []).map((point) => [
        one.name,
        show(point.x),
        show(point.y),
        point.lo === undefined ? '' : `${show(point.lo)} – ${show(point.hi)}`,
        show(point.n ?? ''),
      ]),
    ),
  };
}
