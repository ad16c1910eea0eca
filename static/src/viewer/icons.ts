import back from 'lucide-static/icons/arrow-left.svg?raw';
import arrow from 'lucide-static/icons/arrow-up-left.svg?raw';
import check from 'lucide-static/icons/check.svg?raw';
import down from 'lucide-static/icons/chevron-down.svg?raw';
import scroll from 'lucide-static/icons/chevrons-up-down.svg?raw';
import ellipse from 'lucide-static/icons/circle.svg?raw';
import contrast from 'lucide-static/icons/contrast.svg?raw';
import cross from 'lucide-static/icons/crosshair.svg?raw';
import eraser from 'lucide-static/icons/eraser.svg?raw';
import full from 'lucide-static/icons/expand.svg?raw';
import eye from 'lucide-static/icons/eye.svg?raw';
import eyeOff from 'lucide-static/icons/eye-off.svg?raw';
import gauge from 'lucide-static/icons/gauge.svg?raw';
import hand from 'lucide-static/icons/hand.svg?raw';
import camera from 'lucide-static/icons/image-down.svg?raw';
import keyboard from 'lucide-static/icons/keyboard.svg?raw';
import freehand from 'lucide-static/icons/lasso.svg?raw';
import grid from 'lucide-static/icons/layout-grid.svg?raw';
import link from 'lucide-static/icons/link-2.svg?raw';
import pointer from 'lucide-static/icons/mouse-pointer-2.svg?raw';
import left from 'lucide-static/icons/panel-left.svg?raw';
import right from 'lucide-static/icons/panel-right.svg?raw';
import pause from 'lucide-static/icons/pause.svg?raw';
import pencil from 'lucide-static/icons/pencil.svg?raw';
import probe from 'lucide-static/icons/pipette.svg?raw';
import play from 'lucide-static/icons/play.svg?raw';
import redo from 'lucide-static/icons/redo-2.svg?raw';
import reset from 'lucide-static/icons/refresh-ccw.svg?raw';
import shape from 'lucide-static/icons/rotate-cw.svg?raw';
import ruler from 'lucide-static/icons/ruler.svg?raw';
import bidirectional from 'lucide-static/icons/ruler-dimension-line.svg?raw';
import magnify from 'lucide-static/icons/scan-search.svg?raw';
import sliders from 'lucide-static/icons/sliders-horizontal.svg?raw';
import rectangle from 'lucide-static/icons/square.svg?raw';
import trash from 'lucide-static/icons/trash-2.svg?raw';
import angle from 'lucide-static/icons/triangle-right.svg?raw';
import undo from 'lucide-static/icons/undo-2.svg?raw';
import close from 'lucide-static/icons/x.svg?raw';
import zoom from 'lucide-static/icons/zoom-in.svg?raw';

const SOURCES = {
  angle,
  arrow,
  back,
  bidirectional,
  camera,
  check,
  close,
  cross,
  crosshair: cross,
  down,
  ellipse,
  eraser,
  eye,
  'eye-off': eyeOff,
  freehand,
  full,
  gauge,
  grid,
  keyboard,
  left,
  length: ruler,
  link,
  magnify,
  pan: hand,
  pause,
  pencil,
  play,
  probe,
  rectangle,
  redo,
  reset,
  right,
  scroll,
  select: pointer,
  shape,
  sliders,
  trash,
  undo,
  window: contrast,
  zoom,
};

export type IconName = keyof typeof SOURCES;

const parsed = new Map<IconName, Element>();

/** A Lucide icon as an element; it is decoration, the name stands on its button. */
export function icon(name: IconName, size = 16): Element {
  let source = parsed.get(name);
  if (!source) {
    source = new DOMParser().parseFromString(SOURCES[name].replace(/<!--.*?-->/s, ''), 'image/svg+xml').documentElement;
    parsed.set(name, source);
  }
  const copy = document.importNode(source, true);
  copy.setAttribute('width', String(size));
  copy.setAttribute('height', String(size));
  copy.setAttribute('stroke-width', '1.75');
  copy.setAttribute('aria-hidden', 'true');
  copy.setAttribute('class', 'icon');
  return copy;
}
