"""The manifest: everything the viewer's page is told about what it shows, and nothing else.

The server decides what may be shown. A manifest for mode ``read`` cannot be built with truth, verdicts, a patient
banner or descriptions in it: the constructor refuses. The JSON form is a contract with the TypeScript application
(``static/src/viewer/contract.ts``) and is described in ``docs/viewer.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final, Literal

from viewer.domain.marks import TOOLS, Mark

VERSION: Final = 1

Mode = Literal["study", "author", "read", "review"]
SeriesKind = Literal["image", "document", "presentation", "key_objects", "segmentation", "other"]
LayerRole = Literal["own", "truth", "other"]
ActionKind = Literal["link", "post", "dialog"]
FirstSlice = Literal["first", "middle", "last"]
FieldKind = Literal["scale", "choice", "text", "number"]

#: Every tool of the strip; ``tools`` of a manifest lists those that are offered. Marking tools come from ``marks``.
VIEW_TOOLS: Final[tuple[str, ...]] = ("scroll", "window", "zoom", "pan", "magnify", "crosshair", "eraser", "select")
ALL_TOOLS: Final[tuple[str, ...]] = (*VIEW_TOOLS, *TOOLS)

MAX_ROWS: Final = 4
MAX_COLUMNS: Final = 4


class ManifestError(ValueError):
    """A manifest that contradicts itself or shows what its mode must hide."""


@dataclass(frozen=True, kw_only=True)
class PatientBanner:
    """Who the images are of, for the corner of each viewport and the header. Empty fields are left out."""

    name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    sex: str = ""
    age: str = ""


@dataclass(frozen=True, kw_only=True)
class Overlays:
    """Which fields of the images' own attributes the corners may show."""

    dates: bool = False
    descriptions: bool = False
    institution: bool = False


@dataclass(frozen=True, kw_only=True)
class SeriesEntry:
    """One series as the rail shows it. Sizes are for progress and layout; pixels and geometry come from DICOMweb."""

    uid: str
    number: int | None = None
    modality: str = ""
    description: str = ""
    instances: int = 0
    frames: int = 0
    thumbnail: str | None = None
    kind: SeriesKind = "image"
    #: Lower loads earlier; the rail keeps the order of the list.
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class StudyEntry:
    """One study with its own DICOMweb root (an address such as ``/o/demo/dicomweb/clinical``, no slash at the end)."""

    uid: str
    dicomweb: str
    label: str = ""
    date: str = ""
    #: Earlier or later than the study the page is about; neither where it is that study, or the dates do not say.
    prior: bool = False
    later: bool = False
    series: tuple[SeriesEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Window:
    center: float
    width: float


@dataclass(frozen=True, kw_only=True)
class ViewportPreset:
    """What one viewport shows at first. ``slice`` is a word or a 0-based index; ``sop``/``frame`` win over it."""

    series: str | None = None
    slice: FirstSlice | int = "middle"
    sop: str | None = None
    frame: int = 1
    window: Window | None = None
    invert: bool = False


@dataclass(frozen=True, kw_only=True)
class Layout:
    rows: int = 1
    columns: int = 1
    viewports: tuple[ViewportPreset, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WindowPreset:
    label: str
    center: float
    width: float


@dataclass(frozen=True, kw_only=True)
class MarkField:
    """A field people fill in for each mark. ``name`` is ``label``, ``confidence`` or ``group``."""

    name: Literal["label", "confidence", "group"]
    label: str
    kind: FieldKind = "text"
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[tuple[str, str], ...] = ()
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class MarkForm:
    """What is asked after a mark is drawn; with ``ask`` the form opens by itself."""

    fields: tuple[MarkField, ...] = ()
    ask: bool = False
    #: Marking tools that count; empty means every marking tool of the manifest.
    tools: tuple[str, ...] = ()
    maximum: int | None = None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A named set of marks. At most one layer is editable: the one new marks go to."""

    name: str
    label: str
    role: LayerRole = "own"
    editable: bool = False
    visible: bool = True
    #: Raised by one with each save; sent back with the next one so that no one overwrites another's work.
    version: int = 0
    marks: tuple[Mark, ...] = ()
    author: str = ""


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """Where marks come from and go to. ``load``: GET → ``{"layers": […]}``; ``save``: PUT, see docs/viewer.md."""

    load: str | None = None
    save: str | None = None
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Action:
    """A button in the header. ``post`` submits a form with the CSRF token; ``confirm`` is asked before."""

    name: str
    label: str
    kind: ActionKind
    href: str
    icon: str = ""
    primary: bool = False
    confirm: str = ""


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """Where the page reports which image was on screen for how long."""

    url: str
    interval_ms: int = 5000


@dataclass(frozen=True, kw_only=True)
class Link:
    label: str
    href: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The whole contract; ``to_json`` gives what the page reads."""

    mode: Mode
    #: Opaque and stable: drafts in the browser are kept under it.
    key: str
    title: str
    subtitle: str = ""
    back: Link | None = None
    patient: PatientBanner | None = None
    overlays: Overlays = field(default_factory=Overlays)
    studies: tuple[StudyEntry, ...] = ()
    layout: Layout = field(default_factory=Layout)
    tools: tuple[str, ...] = ALL_TOOLS
    #: Modality → presets for keys 1–9.
    presets: Mapping[str, tuple[WindowPreset, ...]] = field(default_factory=lambda: DEFAULT_PRESETS)
    annotations: Annotations = field(default_factory=Annotations)
    mark_form: MarkForm = field(default_factory=MarkForm)
    actions: tuple[Action, ...] = ()
    telemetry: Telemetry | None = None

    def __post_init__(self) -> None:
        unknown = set(self.tools) - set(ALL_TOOLS) | set(self.mark_form.tools) - set(TOOLS)
        if unknown:
            raise ManifestError(f"Unknown tools: {', '.join(sorted(unknown))}")
        if not 1 <= self.layout.rows <= MAX_ROWS or not 1 <= self.layout.columns <= MAX_COLUMNS:
            raise ManifestError("The layout is too large.")
        if sum(layer.editable for layer in self.annotations.layers) > 1:
            raise ManifestError("Only one layer can be editable.")
        names = [layer.name for layer in self.annotations.layers]
        if len(names) != len(set(names)):
            raise ManifestError("Two layers have the same name.")
        if self.mode == "read":
            self._check_blind()

    def _check_blind(self) -> None:
        if self.patient is not None or self.overlays != Overlays():
            raise ManifestError("An unknown must not show the patient, dates or descriptions.")
        if any(study.label or study.date for study in self.studies):
            raise ManifestError("An unknown must not show a study's label or date.")
        if any(series.description for study in self.studies for series in study.series):
            raise ManifestError("An unknown must not show series descriptions.")
        for layer in self.annotations.layers:
            if layer.role != "own" or any(mark.verdict for mark in layer.marks):
                raise ManifestError("An unknown must not carry truth, verdicts or other people's marks.")

    def to_json(self) -> dict[str, Any]:
        """The JSON form (``version`` first), ready for ``JsonResponse``."""
        return {"version": VERSION, **plain(self)}


def plain(value: Any) -> Any:
    """The JSON form of a part of the contract."""
    if isinstance(value, Mark):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    # Lazy translations and the like.
    return str(value)


#: Keys 1–9 of each modality. CT in Hounsfield units (usual teaching values).
DEFAULT_PRESETS: Final[Mapping[str, tuple[WindowPreset, ...]]] = {
    "CT": (
        WindowPreset(label="Brain", center=40, width=80),
        WindowPreset(label="Subdural", center=75, width=215),
        WindowPreset(label="Stroke", center=35, width=35),
        WindowPreset(label="Bone", center=500, width=2500),
        WindowPreset(label="Lung", center=-600, width=1500),
        WindowPreset(label="Mediastinum", center=50, width=400),
        WindowPreset(label="Abdomen", center=50, width=350),
        WindowPreset(label="Liver", center=80, width=150),
        WindowPreset(label="Angiography", center=300, width=600),
    ),
    "PT": (
        WindowPreset(label="SUV 0–5", center=2.5, width=5),
        WindowPreset(label="SUV 0–10", center=5, width=10),
        WindowPreset(label="SUV 0–15", center=7.5, width=15),
    ),
}
