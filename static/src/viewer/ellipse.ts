/** The ellipse, drawn from corner to corner as the rectangle is. */

import { getEnabledElement, type Types } from '@cornerstonejs/core';
import { EllipticalROITool } from '@cornerstonejs/tools';

type DrawEvent = Parameters<EllipticalROITool['_dragDrawCallback']>[0];

export class EllipseTool extends EllipticalROITool {
  static override toolName = EllipticalROITool.toolName;

  constructor(...options: ConstructorParameters<typeof EllipticalROITool>) {
    super(...options);
    const fromCentre = this._dragDrawCallback;
    const corners = new WeakMap<object, Types.Point3>();
    this._dragDrawCallback = (event: DrawEvent): void => {
      const { editData } = this;
      const { element, currentPoints } = event.detail;
      const viewport = getEnabledElement(element)?.viewport;
      if (!editData?.centerWorld || !viewport) return;
      const corner = corners.get(editData.annotation) ?? ([...editData.centerWorld] as Types.Point3);
      corners.set(editData.annotation, corner);
      const [x, y] = viewport.worldToCanvas(corner);
      const [toX, toY] = currentPoints.canvas;
      editData.centerWorld = viewport.canvasToWorld([(x + toX) / 2, (y + toY) / 2]);
      fromCentre(event);
    };
  }
}
