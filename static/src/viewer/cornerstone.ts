/** The drawing library, set up once: loaders, cache, tools, and the styles of marks. */

import {
  cache,
  Enums,
  eventTarget,
  getRenderingEngine,
  getShouldUseCPURendering,
  imageLoader,
  init as initCore,
  metaData,
  RenderingEngine,
  type StackViewport,
  setUseCPURendering,
  type Types,
  utilities,
} from '@cornerstonejs/core';
import dicomImageLoader from '@cornerstonejs/dicom-image-loader';
import {
  AngleTool,
  ArrowAnnotateTool,
  addTool,
  annotation,
  BaseTool,
  BidirectionalTool,
  EraserTool,
  init as initTools,
  LengthTool,
  MagnifyTool,
  PanTool,
  PlanarFreehandROITool,
  ProbeTool,
  RectangleROITool,
  Enums as ToolEnums,
  ToolGroupManager,
  WindowLevelTool,
  ZoomTool,
} from '@cornerstonejs/tools';
import { signedOut } from './api';
import type { MarkTool } from './contract';
import { installLoader, isTold } from './dressing';
import { EllipseTool } from './ellipse';

export const ENGINE = 'pacsweb';
export const GROUP = 'pacsweb';

export type ToolName = 'scroll' | 'window' | 'zoom' | 'pan' | 'magnify' | 'crosshair' | 'eraser' | 'select' | MarkTool;

interface DragDetail {
  element: HTMLDivElement;
  viewportId: string;
  deltaPoints: { canvas: Types.Point2 };
  currentPoints: { world: Types.Point3; canvas: Types.Point2 };
}
type DragEvent = CustomEvent<DragDetail>;

/** What the own tools tell the workspace. */
export const gestures: {
  scroll: (viewportId: string, delta: number) => void;
  point: (viewportId: string, world: Types.Point3) => void;
} = { scroll: () => {}, point: () => {} };

/** Drag up and down to scroll: the whole stack over the height of the viewport, never slower than 12 px a slice. */
class ScrollTool extends BaseTool {
  static override toolName = 'PacswebScroll';
  private rest = 0;

  constructor() {
    super({}, { supportedInteractionTypes: ['Mouse', 'Touch'], configuration: {} });
  }

  preMouseDownCallback = (): boolean => {
    this.rest = 0;
    return false;
  };

  mouseDragCallback(event: DragEvent): void {
    const { element, viewportId, deltaPoints } = event.detail;
    const slices = Number(element.dataset['slices'] ?? 1);
    const step = Math.max(2, Math.min(12, element.clientHeight / Math.max(1, slices)));
    this.rest += deltaPoints.canvas[1];
    const moved = Math.trunc(this.rest / step);
    if (!moved) return;
    this.rest -= moved * step;
    gestures.scroll(viewportId, moved);
  }

  touchDragCallback(event: DragEvent): void {
    this.mouseDragCallback(event);
  }
}

/** Press anywhere to bring the same point of the patient into the other viewports. */
class PointTool extends BaseTool {
  static override toolName = 'PacswebPoint';

  constructor() {
    super({}, { supportedInteractionTypes: ['Mouse', 'Touch'], configuration: {} });
  }

  preMouseDownCallback = (event: DragEvent): boolean => {
    gestures.point(event.detail.viewportId, event.detail.currentPoints.world);
    return false;
  };

  mouseDragCallback(event: DragEvent): void {
    gestures.point(event.detail.viewportId, event.detail.currentPoints.world);
  }

  touchDragCallback(event: DragEvent): void {
    this.mouseDragCallback(event);
  }
}

export const MARK_CLASSES: Record<MarkTool, string> = {
  length: LengthTool.toolName,
  ellipse: EllipseTool.toolName,
  rectangle: RectangleROITool.toolName,
  freehand: PlanarFreehandROITool.toolName,
  probe: ProbeTool.toolName,
  arrow: ArrowAnnotateTool.toolName,
  angle: AngleTool.toolName,
  bidirectional: BidirectionalTool.toolName,
};

const CLASSES: Record<ToolName, string> = {
  ...MARK_CLASSES,
  scroll: ScrollTool.toolName,
  window: WindowLevelTool.toolName,
  zoom: ZoomTool.toolName,
  pan: PanTool.toolName,
  magnify: MagnifyTool.toolName,
  crosshair: PointTool.toolName,
  eraser: EraserTool.toolName,
  // Selecting needs no tool of its own: marking tools stay passive and take hold of what lies under the pointer.
  select: ScrollTool.toolName,
};

export const MARK_TOOLS = Object.keys(MARK_CLASSES) as MarkTool[];

export function markToolOf(className: string): MarkTool | null {
  return MARK_TOOLS.find((name) => MARK_CLASSES[name] === className) ?? null;
}

export type TextLines = (data: MarkData, targetId: string) => string[] | undefined;

export interface MarkData {
  label?: string;
  cachedStats?: Record<string, Record<string, unknown>>;
  handles: { points: Types.Point3[]; [key: string]: unknown };
  contour?: { polyline: Types.Point3[]; closed: boolean };
}

export const isCpu = (): boolean => getShouldUseCPURendering();

export interface Engine {
  rendering: RenderingEngine;
  setTool(name: ToolName): void;
  setMarking(enabled: boolean): void;
}

function memoryLimit(): number {
  const device = (navigator as { deviceMemory?: number }).deviceMemory ?? 4;
  return Math.min(2, Math.max(0.5, device / 4)) * 1024 ** 3;
}

export async function start(options: { textLines: (tool: MarkTool) => TextLines; forceCpu: boolean }): Promise<Engine> {
  initCore();
  if (options.forceCpu) setUseCPURendering(true);
  dicomImageLoader.init({
    maxWebWorkers: Math.max(1, Math.min(4, (navigator.hardwareConcurrency || 2) - 1)),
    errorInterceptor: (error: { status?: number }) => {
      if (error.status === 401) signedOut();
    },
  });
  installLoader();
  // The image loader leaves a second, unheard promise behind each failed request; its first one told us already.
  window.addEventListener('unhandledrejection', (event) => {
    if (event.reason instanceof XMLHttpRequest || isTold(event.reason)) event.preventDefault();
  });
  initTools();
  cache.setMaxCacheSize(memoryLimit());
  const all = [
    ScrollTool,
    PointTool,
    WindowLevelTool,
    ZoomTool,
    PanTool,
    MagnifyTool,
    EraserTool,
    LengthTool,
    EllipseTool,
    RectangleROITool,
    PlanarFreehandROITool,
    ProbeTool,
    ArrowAnnotateTool,
    AngleTool,
    BidirectionalTool,
  ];
  for (const tool of all) addTool(tool);
  const group = ToolGroupManager.createToolGroup(GROUP);
  if (!group) throw new Error('The tool group exists already.');
  for (const tool of all) group.addTool(tool.toolName, configuration(tool.toolName, options.textLines));
  annotation.config.style.setDefaultToolStyles({
    ...annotation.config.style.getDefaultToolStyles(),
    lineWidth: '1.5',
    textBoxFontFamily: "'Inter Variable', system-ui, sans-serif",
    textBoxFontSize: '12px',
    textBoxLinkLineDash: '2,3',
    // Bright images would swallow the words; the ground stays dark in both colour schemes, as the images do.
    textBoxBackground: 'rgba(11, 13, 16, 0.72)',
    textBoxBorderRadius: '3',
    textBoxMargin: '4',
  } as never);

  let marking = true;
  let current: ToolName = 'window';
  const buttons = ToolEnums.MouseBindings;
  const keys = ToolEnums.KeyboardBindings;

  const apply = (): void => {
    for (const tool of all) group.setToolPassive(tool.toolName, { removeAllBindings: true });
    if (!marking) for (const name of MARK_TOOLS) group.setToolEnabled(MARK_CLASSES[name]);
    const active = marking || !(current in MARK_CLASSES || current === 'eraser') ? current : 'window';
    const bindings = new Map<string, object[]>();
    const bind = (className: string, binding: object): void => {
      bindings.set(className, [...(bindings.get(className) ?? []), binding]);
    };
    bind(CLASSES[active], { mouseButton: buttons.Primary });
    bind(WindowLevelTool.toolName, { mouseButton: buttons.Secondary });
    bind(PanTool.toolName, { mouseButton: buttons.Auxiliary });
    bind(PanTool.toolName, { mouseButton: buttons.Primary, modifierKey: keys.Shift });
    bind(ZoomTool.toolName, { mouseButton: buttons.Primary, modifierKey: keys.Ctrl });
    bind(ZoomTool.toolName, { mouseButton: buttons.Primary_And_Secondary });
    bind(ZoomTool.toolName, { numTouchPoints: 2 });
    bind(PanTool.toolName, { numTouchPoints: 3 });
    for (const [name, list] of bindings) group.setToolActive(name, { bindings: list as never });
  };
  apply();

  return {
    rendering: new RenderingEngine(ENGINE),
    // Setting the tools anew while one is at work would take its press away: what is set already stays as it is.
    setTool(name) {
      if (name === current) return;
      current = name;
      apply();
    },
    setMarking(enabled) {
      if (enabled === marking) return;
      marking = enabled;
      apply();
    },
  };
}

function configuration(className: string, textLines: (tool: MarkTool) => TextLines): Record<string, unknown> {
  const tool = markToolOf(className);
  const common = tool && tool !== 'arrow' ? { getTextLines: textLines(tool) } : {};
  switch (className) {
    case MagnifyTool.toolName:
      return { magnifySize: 4, magnifyWidth: 260, magnifyHeight: 260 };
    case PlanarFreehandROITool.toolName:
      return { ...common, calculateStats: true, allowOpenContours: false };
    case EllipseTool.toolName:
    case RectangleROITool.toolName:
      return { ...common, calculateStats: true };
    case ArrowAnnotateTool.toolName:
      return {
        // The text is asked for in the panel; an empty one would make the library drop the arrow.
        getTextCallback: (done: (text: string) => void) => done(' '),
        changeTextCallback: (data: { data?: { label?: string } }, _event: unknown, done: (text: string) => void) =>
          done(data.data?.label || ' '),
      };
    default:
      return common;
  }
}

export type RenderingEngineLike = RenderingEngine;

export {
  annotation,
  cache,
  Enums,
  eventTarget,
  getRenderingEngine,
  imageLoader,
  metaData,
  type StackViewport,
  ToolEnums,
  ToolGroupManager,
  type Types,
  utilities,
};
