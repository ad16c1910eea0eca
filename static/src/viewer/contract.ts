/** The manifest as the server sends it. Mirror of `viewer/domain/manifest.py` and `viewer/domain/marks.py`. */

export const CONTRACT_VERSION = 1;

export type Mode = 'study' | 'author' | 'read' | 'review';
export type SeriesKind = 'image' | 'document' | 'presentation' | 'key_objects' | 'segmentation' | 'other';
export type MarkTool = 'length' | 'ellipse' | 'rectangle' | 'freehand' | 'probe' | 'arrow' | 'angle' | 'bidirectional';
export type LayerRole = 'own' | 'truth' | 'other';
export type Verdict = 'hit' | 'miss' | 'false';
export type Point = [number, number];
export type PatientPoint = [number, number, number];

export interface Measurement {
  name: string;
  value: number;
  unit: string;
}

export interface Mark {
  id: string;
  tool: MarkTool;
  series_instance_uid: string;
  sop_instance_uid: string;
  frame: number;
  points: Point[];
  patient_points: PatientPoint[] | null;
  frame_of_reference_uid: string | null;
  label: string;
  confidence: number | null;
  group: string;
  measurements: Measurement[];
  verdict: Verdict | null;
}

export interface PatientBanner {
  name: string;
  patient_id: string;
  birth_date: string;
  sex: string;
  age: string;
}

export interface Overlays {
  dates: boolean;
  descriptions: boolean;
  institution: boolean;
}

export interface SeriesEntry {
  uid: string;
  number: number | null;
  modality: string;
  description: string;
  instances: number;
  frames: number;
  thumbnail: string | null;
  kind: SeriesKind;
  priority: number;
}

export interface StudyEntry {
  uid: string;
  dicomweb: string;
  label: string;
  date: string;
  prior: boolean;
  later: boolean;
  series: SeriesEntry[];
}

export interface Window {
  center: number;
  width: number;
}

export interface ViewportPreset {
  series: string | null;
  slice: 'first' | 'middle' | 'last' | number;
  sop: string | null;
  frame: number;
  window: Window | null;
  invert: boolean;
}

export interface Layout {
  rows: number;
  columns: number;
  viewports: ViewportPreset[];
}

export interface WindowPreset extends Window {
  label: string;
}

export interface MarkField {
  name: 'label' | 'confidence' | 'group';
  label: string;
  kind: 'scale' | 'choice' | 'text' | 'number';
  required: boolean;
  minimum: number | null;
  maximum: number | null;
  choices: [string, string][];
  help: string;
}

export interface MarkForm {
  fields: MarkField[];
  ask: boolean;
  tools: MarkTool[];
  maximum: number | null;
}

export interface Layer {
  name: string;
  label: string;
  role: LayerRole;
  editable: boolean;
  visible: boolean;
  version: number;
  marks: Mark[];
  author: string;
}

export interface Annotations {
  load: string | null;
  save: string | null;
  layers: Layer[];
}

export interface Action {
  name: string;
  label: string;
  kind: 'link' | 'post' | 'dialog';
  href: string;
  icon: string;
  primary: boolean;
  confirm: string;
}

export interface Telemetry {
  url: string;
  interval_ms: number;
}

export interface Link {
  label: string;
  href: string;
}

export interface Manifest {
  version: number;
  mode: Mode;
  key: string;
  title: string;
  subtitle: string;
  back: Link | null;
  patient: PatientBanner | null;
  overlays: Overlays;
  studies: StudyEntry[];
  layout: Layout;
  tools: string[];
  presets: Record<string, WindowPreset[]>;
  annotations: Annotations;
  mark_form: MarkForm;
  actions: Action[];
  telemetry: Telemetry | null;
}
