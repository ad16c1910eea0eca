/** Charts with ECharts on a canvas (no markup of its own, so the Content-Security-Policy stays strict). */
import { BarChart, CustomChart, HeatmapChart, LineChart } from 'echarts/charts';
import {
  AriaComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
} from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import type { Axis, ChartData, ChartKind, Point, Series, Tone } from './chart-data';

use([
  LineChart,
  BarChart,
  HeatmapChart,
  CustomChart,
  GridComponent,
  LegendComponent,
  TooltipComponent,
  MarkLineComponent,
  VisualMapComponent,
  AriaComponent,
  CanvasRenderer,
]);

type Palette = Record<string, string>;

const NAMES = [
  'text',
  'text-2',
  'text-3',
  'line',
  'line-strong',
  'raised',
  'ground',
  'accent',
  'pass',
  'fail',
  'query',
  'blinded',
  'info',
  'heat-1',
  'heat-2',
  'heat-3',
  'heat-4',
  'heat-5',
  'on-heat',
];
const ORDER: Tone[] = ['accent', 'info', 'query', 'blinded', 'pass', 'fail'];

/** Tokens as the plain colours a canvas understands, in the scheme shown now. */
function palette(host: HTMLElement): Palette {
  const probe = document.createElement('span');
  const brush = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  host.append(probe);
  const found: Palette = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    const value = getComputedStyle(probe).color;
    if (brush) {
      brush.clearRect(0, 0, 1, 1);
      brush.fillStyle = value;
      brush.fillRect(0, 0, 1, 1);
      const [red, green, blue] = brush.getImageData(0, 0, 1, 1).data;
      found[name] = `rgb(${red}, ${green}, ${blue})`;
    } else found[name] = value;
  }
  probe.remove();
  return found;
}

function toneOf(series: { tone?: Tone | undefined }, at: number, colours: Palette): string {
  const tone = series.tone ?? ORDER[at % ORDER.length] ?? 'accent';
  return (tone === 'neutral' ? colours['text-3'] : colours[tone]) ?? '';
}

function axis(
  spec: Axis | undefined,
  colours: Palette,
  side: 'x' | 'y',
  fallback: Axis['type'] = 'number',
): Record<string, unknown> {
  const type = spec?.type ?? fallback;
  return {
    type: type === 'number' ? 'value' : type,
    name: spec?.label ? (spec.unit ? `${spec.label} (${spec.unit})` : spec.label) : '',
    nameLocation: side === 'x' ? 'middle' : 'end',
    nameGap: side === 'x' ? 26 : 12,
    nameTextStyle: { color: colours['text-2'], fontSize: 12, align: side === 'y' ? 'left' : 'center', padding: 0 },
    min: spec?.min,
    max: spec?.max,
    axisLine: { show: side === 'x', lineStyle: { color: colours['line-strong'] } },
    axisTick: { show: false },
    axisLabel: { color: colours['text-2'], fontSize: 11.5, hideOverlap: true },
    splitLine: { show: side === 'y', lineStyle: { color: colours['line'] } },
    splitNumber: 4,
  };
}

function frame(colours: Palette, font: string, legend: boolean, named = true): EChartsCoreOption {
  return {
    animation: false,
    textStyle: { fontFamily: font, color: colours['text'] },
    grid: {
      left: 4,
      right: 14,
      top: legend ? 44 : 26,
      bottom: named ? 30 : 4,
      outerBoundsMode: 'same',
      outerBoundsContain: 'axisLabel',
    },
    tooltip: {
      // Rich text is painted on the canvas: no inline styles.
      renderMode: 'richText',
      backgroundColor: colours['raised'],
      borderColor: colours['line-strong'],
      borderWidth: 1,
      padding: [6, 10],
      textStyle: { color: colours['text'], fontSize: 12, fontFamily: font },
      confine: true,
    },
    legend: {
      show: legend,
      top: 0,
      left: 0,
      icon: 'roundRect',
      itemWidth: 12,
      itemHeight: 3,
      textStyle: { color: colours['text-2'], fontSize: 12 },
    },
  };
}

function lines(kind: ChartKind, data: ChartData, colours: Palette, font: string): EChartsCoreOption {
  const series = data.series ?? [];
  const unit = kind === 'line' ? {} : { min: 0, max: 1 };
  const isUnit = kind !== 'line' && (data.x?.max ?? 1) === 1 && (data.y?.max ?? 1) === 1;
  const steps = isUnit ? { interval: 0.25 } : {};
  const drawn: Record<string, unknown>[] = series.map((one, at) => {
    const colour = toneOf(one, at, colours);
    return {
      type: 'line',
      name: one.name,
      data: (one.points ?? []).map((point) => ({ value: [point.x, point.y], point })),
      step: false,
      color: colour,
      lineStyle: { width: 1.75, type: one.dashed ? 'dashed' : 'solid', color: colour },
      symbol: 'circle',
      symbolSize: kind === 'roc' ? 4 : 6,
      showSymbol: (one.points?.length ?? 0) < 80,
      itemStyle: { color: colour, borderColor: colours['ground'], borderWidth: 1 },
      z: 3,
    };
  });
  series.forEach((one, at) => {
    const withInterval = (one.points ?? []).filter((point) => point.lo !== undefined && point.hi !== undefined);
    if (withInterval.length) drawn.push(intervals(one, withInterval, toneOf(one, at, colours)));
  });
  if (kind !== 'line') {
    drawn.push({
      type: 'line',
      silent: true,
      data: [
        [data.x?.min ?? 0, data.y?.min ?? 0],
        [data.x?.max ?? 1, data.y?.max ?? 1],
      ],
      symbol: 'none',
      lineStyle: { color: colours['line-strong'], type: 'dashed', width: 1 },
      tooltip: { show: false },
      z: 1,
    });
  }
  const first = drawn[0];
  if (first && data.markX !== undefined) {
    first['markLine'] = {
      silent: true,
      symbol: 'none',
      label: { show: false },
      lineStyle: { color: colours['text-3'], type: 'solid', width: 1 },
      data: [{ xAxis: data.markX }],
    };
  }
  const base = frame(colours, font, series.length > 1, Boolean(data.x?.label));
  return {
    ...base,
    tooltip: {
      ...(base['tooltip'] as object),
      trigger: 'item',
      formatter: (hit: { seriesName: string; data: { point?: Point } }) => {
        const point = hit.data.point;
        if (!point) return '';
        const interval = point.lo === undefined ? '' : ` (${point.lo} – ${point.hi})`;
        const count = point.n === undefined ? '' : `\nn = ${point.n}`;
        return `${hit.seriesName}\n${data.x?.label ?? ''} ${point.x}  ${data.y?.label ?? ''} ${point.y}${interval}${count}`;
      },
    },
    xAxis: { ...axis({ ...unit, ...data.x }, colours, 'x'), ...steps },
    yAxis: { ...axis({ ...unit, ...data.y }, colours, 'y'), ...steps },
    series: drawn,
  };
}

/** Whiskers from lo to hi. */
function intervals(series: Series, points: Point[], colour: string): Record<string, unknown> {
  return {
    type: 'custom',
    name: series.name,
    silent: true,
    z: 2,
    data: points.map((point) => [point.x, point.lo, point.hi]),
    renderItem: (_parameters: unknown, api: { value: (at: number) => number; coord: (at: number[]) => number[] }) => {
      const [x = 0, low = 0] = api.coord([api.value(0), api.value(1)]);
      const [, high = 0] = api.coord([api.value(0), api.value(2)]);
      const stroke = { stroke: colour, lineWidth: 1, opacity: 0.7 };
      return {
        type: 'group',
        children: [
          { type: 'line', shape: { x1: x, y1: low, x2: x, y2: high }, style: stroke },
          { type: 'line', shape: { x1: x - 4, y1: low, x2: x + 4, y2: low }, style: stroke },
          { type: 'line', shape: { x1: x - 4, y1: high, x2: x + 4, y2: high }, style: stroke },
        ],
      };
    },
    encode: { x: 0, y: [1, 2] },
  };
}

function bars(data: ChartData, colours: Palette, font: string): EChartsCoreOption {
  const series = data.series ?? [];
  const category = { ...axis(data.x, colours, 'x', 'category'), type: 'category', data: data.categories ?? [] };
  const value = axis(data.y, colours, 'y');
  const base = frame(colours, font, series.length > 1, Boolean(data.x?.label));
  return {
    ...base,
    tooltip: { ...(base['tooltip'] as object), trigger: 'axis', axisPointer: { type: 'none' } },
    xAxis: data.horizontal ? { ...value, splitLine: { show: true, lineStyle: { color: colours['line'] } } } : category,
    yAxis: data.horizontal ? { ...category, inverse: true } : value,
    series: series.map((one, at) => ({
      type: 'bar',
      name: one.name,
      stack: data.stacked ? 'all' : undefined,
      barMaxWidth: 22,
      barCategoryGap: '28%',
      color: toneOf(one, at, colours),
      data: (one.values ?? []).map((number, index) => ({ value: number, href: one.hrefs?.[index] })),
    })),
  };
}

function heat(data: ChartData, colours: Palette, font: string): EChartsCoreOption {
  const cells = (data.values ?? []).flatMap((row, y) =>
    row.map((value, x) => ({ value: [x, y, value ?? '-'], href: data.hrefs?.[y]?.[x] ?? undefined })),
  );
  const numbers = (data.values ?? []).flat().filter((value): value is number => value !== null);
  const lowest = data.y?.min ?? Math.min(0, ...numbers);
  const highest = data.y?.max ?? Math.max(1, ...numbers);
  const base = frame(colours, font, false, Boolean(data.x?.label));
  return {
    ...base,
    grid: { ...(base['grid'] as object), top: 8, bottom: 8 },
    tooltip: {
      ...(base['tooltip'] as object),
      formatter: (hit: { data: { value: [number, number, number | string] } }) => {
        const [x, y, value] = hit.data.value;
        return `${data.rows?.[y] ?? ''} · ${data.columns?.[x] ?? ''}\n${value}${data.unit ?? ''}`;
      },
    },
    visualMap: {
      show: false,
      min: lowest,
      max: highest,
      inRange: { color: [1, 2, 3, 4, 5].map((step) => colours[`heat-${step}`]) },
    },
    xAxis: {
      ...axis(data.x, colours, 'x', 'category'),
      type: 'category',
      data: data.columns ?? [],
      axisLabel: { color: colours['text-2'], fontSize: 11.5, interval: 0, overflow: 'truncate', width: 84 },
      position: 'top',
      axisLine: { show: false },
    },
    yAxis: {
      ...axis(data.y, colours, 'y', 'category'),
      type: 'category',
      data: data.rows ?? [],
      inverse: true,
      splitLine: { show: false },
      min: undefined,
      max: undefined,
    },
    series: [
      {
        type: 'heatmap',
        data: cells.map((cell) => {
          const value = cell.value[2];
          // The two strongest steps of the ramp are too far from the text's colour to carry it.
          const strong = typeof value === 'number' && (value - lowest) / (highest - lowest || 1) > 0.62;
          return { ...cell, label: { color: colours[strong ? 'on-heat' : 'text'] } };
        }),
        label: {
          show: true,
          fontSize: 11.5,
          fontFamily: font,
          formatter: (cell: { data: { value: [number, number, number | string] } }) => {
            const value = cell.data.value[2];
            return typeof value === 'number' ? `${Math.round(value * 100) / 100}${data.unit ?? ''}` : '';
          },
        },
        itemStyle: { borderColor: colours['ground'], borderWidth: 2, borderRadius: 3 },
      },
    ],
  };
}

function timeline(data: ChartData, colours: Palette, font: string): EChartsCoreOption {
  const rows = data.rows ?? [];
  const base = frame(colours, font, false, Boolean(data.x?.label));
  return {
    ...base,
    tooltip: {
      ...(base['tooltip'] as object),
      formatter: (hit: { data: { span: { name: string; from: string; to: string } } }) =>
        `${hit.data.span.name}\n${hit.data.span.from} – ${hit.data.span.to}`,
    },
    xAxis: { ...axis(data.x, colours, 'x', 'time'), splitLine: { show: true, lineStyle: { color: colours['line'] } } },
    yAxis: {
      ...axis(data.y, colours, 'y', 'category'),
      type: 'category',
      data: rows,
      inverse: true,
      splitLine: { show: false },
    },
    series: [
      {
        type: 'custom',
        encode: { x: [1, 2], y: 0 },
        data: (data.spans ?? []).map((span) => ({
          value: [rows.indexOf(span.row), span.from, span.to],
          span,
          href: span.href,
          itemStyle: { color: toneOf(span, 0, colours) },
        })),
        renderItem: (
          _parameters: unknown,
          api: {
            value: (at: number) => number;
            coord: (at: number[]) => number[];
            size: (at: number[]) => number[];
            visual: (name: string) => string;
          },
        ) => {
          const [from = 0, y = 0] = api.coord([api.value(1), api.value(0)]);
          const [to = 0] = api.coord([api.value(2), api.value(0)]);
          const height = Math.min(16, ((api.size([0, 1])[1] ?? 20) * 2) / 3);
          return {
            type: 'rect',
            shape: { x: from, y: y - height / 2, width: Math.max(3, to - from), height, r: 3 },
            style: { fill: api.visual('color') },
          };
        },
      },
    ],
  };
}

function optionOf(kind: ChartKind, data: ChartData, host: HTMLElement): EChartsCoreOption {
  const colours = palette(host);
  const font = getComputedStyle(host).fontFamily;
  if (kind === 'bar') return bars(data, colours, font);
  if (kind === 'heat') return heat(data, colours, font);
  if (kind === 'timeline') return timeline(data, colours, font);
  return lines(kind, data, colours, font);
}

export function draw(
  host: HTMLElement,
  kind: ChartKind,
  data: ChartData,
): { redraw: () => void; resize: () => void; dispose: () => void } {
  const chart = init(host, null, { renderer: 'canvas' });
  chart.setOption(optionOf(kind, data, host));
  chart.on('click', (event) => {
    const hit = event.data as { href?: string; point?: Point } | undefined;
    const href = hit?.href ?? hit?.point?.href;
    if (href) window.location.assign(href);
  });
  return {
    redraw: () => chart.setOption(optionOf(kind, data, host), true),
    resize: () => chart.resize(),
    dispose: () => chart.dispose(),
  };
}
