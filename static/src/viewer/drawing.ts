/** What is being drawn and is not a mark yet: it can be given up, and a path of its own always begins where it was pressed. */

import {
  GROUP,
  annotation as library,
  MARK_CLASSES,
  MARK_TOOLS,
  ToolEnums,
  ToolGroupManager,
  type Types,
} from './cornerstone';

interface Detail {
  element: HTMLDivElement;
  startPoints: { canvas: Types.Point2; world: Types.Point3 };
  currentPoints: { canvas: Types.Point2; world: Types.Point3 };
}

/** The parts of the library's marking tools that tell what they are drawing. */
interface DrawingTool {
  isDrawing?: boolean;
  editData?: { annotation: { annotationUID?: string }; newAnnotation?: boolean; handleIndex?: number } | null;
  /** Of the outline alone. */
  commonData?: { annotation: { annotationUID?: string } };
  drawData?: { newAnnotation?: boolean };
  cancel(element: HTMLDivElement): unknown;
  addNewAnnotation(event: object): { annotationUID?: string } | undefined;
  doneEditMemo?(): void;
}

/** The same distance at which the drawing library takes a press for a drag. */
const DRAG = 3;

export class Drawing {
  /** The viewport in which the tool at work was pressed. */
  private element: HTMLDivElement | null = null;
  private clicked: DrawingTool | null = null;

  /** @param quietly runs work whose effects on the library's annotations are not taken for the person's. */
  constructor(
    grid: HTMLElement,
    private readonly quietly: (work: () => void) => void,
  ) {
    const events = ToolEnums.Events;
    const on = (name: string, take: (detail: Detail) => void): void =>
      grid.addEventListener(name, (event) => take((event as CustomEvent<Detail>).detail), { capture: true });
    for (const name of [events.MOUSE_DOWN, events.TOUCH_START]) on(name, (detail) => this.pressed(detail));
    on(events.MOUSE_DRAG, (detail) => this.dragged(detail));
  }

  /** Give up what is half drawn; a mark that is being moved stays where it is. Says whether there was anything. */
  giveUp(element?: HTMLDivElement): boolean {
    if (element && element !== this.element) return false;
    const tool = this.busy();
    if (!tool || !this.element) return false;
    const begun = newOf(tool);
    this.quietly(() => {
      tool.cancel(this.element as HTMLDivElement);
      tool.doneEditMemo?.();
      if (begun) library.state.removeAnnotation(begun);
    });
    this.clicked = null;
    return begun !== null;
  }

  private busy(): DrawingTool | null {
    const group = ToolGroupManager.getToolGroup(GROUP);
    for (const name of MARK_TOOLS) {
      const tool = group?.getToolInstance(MARK_CLASSES[name]) as DrawingTool | undefined;
      if (tool?.isDrawing) return tool;
    }
    return null;
  }

  private pressed(detail: Detail): void {
    const tool = this.busy();
    if (!tool) this.element = detail.element;
    // Begun by a click: the next click ends the line. The third point of an angle is placed by either.
    this.clicked = tool?.editData?.newAnnotation && tool.editData.handleIndex !== 2 ? tool : null;
  }

  /** A click, and then a press and a drag: the drag is the line that is meant, not one from the click to its end. */
  private dragged(detail: Detail): void {
    const tool = this.clicked;
    if (!tool) return;
    const [x, y] = detail.startPoints.canvas;
    const [toX, toY] = detail.currentPoints.canvas;
    if (Math.hypot(toX - x, toY - y) < DRAG) return;
    this.clicked = null;
    this.giveUp();
    this.element = detail.element;
    tool.addNewAnnotation({ detail: { ...detail, currentPoints: detail.startPoints }, preventDefault: () => {} });
  }
}

/** The id of the mark that a tool is drawing for the first time. */
function newOf(tool: DrawingTool): string | null {
  if (tool.editData) return tool.editData.newAnnotation ? (tool.editData.annotation.annotationUID ?? null) : null;
  return tool.drawData?.newAnnotation ? (tool.commonData?.annotation.annotationUID ?? null) : null;
}
