"""The component page: every component in every state, fed with made-up rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.errors import Forbidden
from core.models import Job

SAMPLE_UID = "1.2.826.0.1.3680043.8.498.45787841905473114233124723359129632652"
PARTS = (
    "colour",
    "type",
    "buttons",
    "badges",
    "notices",
    "table",
    "tables-empty",
    "forms",
    "navigation",
    "floats",
    "progress",
    "cards",
    "matrix",
    "lists",
    "charts",
)
MODALITIES = ("CT", "MR", "US", "CR", "DX", "MG", "NM", "PT", "XA")


class SampleForm(forms.Form):
    title = forms.CharField(
        label=_("Alternative title"), max_length=120, help_text=_("What trainees see before they answer.")
    )
    modality = forms.ChoiceField(label=_("Modality"), choices=[("", "–"), *((one, one) for one in MODALITIES)])
    reader = forms.ChoiceField(
        label=_("Reader"),
        required=False,
        choices=[("", ""), ("1", "Amina Haddad"), ("2", "Søren Ågaard"), ("3", "李 明"), ("4", "Zoë Byrne")],
    )
    tags = forms.MultipleChoiceField(
        label=_("Topics"), required=False, choices=[(one, one) for one in ("Chest", "Neuro", "Spine", "Paediatric")]
    )
    due = forms.DateField(label=_("Due"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    history = forms.CharField(label=_("History"), required=False, widget=forms.Textarea(attrs={"rows": 3}))
    level = forms.ChoiceField(
        label=_("Level"),
        choices=[("1", _("First year")), ("2", _("Resident")), ("3", _("Fellow"))],
        widget=forms.RadioSelect,
    )
    consent = forms.BooleanField(label=_("De-identification is signed"), help_text=_("By a second person."))


def _charts() -> dict[str, Any]:
    return {
        "calibration": {
            "x": {"label": "Stated confidence", "min": 0, "max": 1},
            "y": {"label": "Share right", "min": 0, "max": 1},
            "series": [
                {
                    "name": "Your reads",
                    "tone": "accent",
                    "points": [
                        {"x": 0.55, "y": 0.48, "lo": 0.31, "hi": 0.65, "n": 21},
                        {"x": 0.65, "y": 0.61, "lo": 0.46, "hi": 0.74, "n": 33},
                        {"x": 0.75, "y": 0.66, "lo": 0.53, "hi": 0.77, "n": 47},
                        {"x": 0.85, "y": 0.79, "lo": 0.68, "hi": 0.87, "n": 61},
                        {"x": 0.95, "y": 0.88, "lo": 0.78, "hi": 0.94, "n": 58},
                    ],
                }
            ],
        },
        "roc": {
            "x": {"label": "False positives per image", "min": 0, "max": 1},
            "y": {"label": "Lesions found", "min": 0, "max": 1},
            "series": [
                {
                    "name": "Reader A",
                    "points": [
                        {"x": x, "y": y}
                        for x, y in ((0, 0), (0.04, 0.42), (0.11, 0.63), (0.24, 0.78), (0.5, 0.9), (1, 1))
                    ],
                },
                {
                    "name": "Reader B",
                    "dashed": True,
                    "points": [
                        {"x": x, "y": y}
                        for x, y in ((0, 0), (0.06, 0.31), (0.18, 0.55), (0.33, 0.7), (0.6, 0.86), (1, 1))
                    ],
                },
            ],
        },
        "bars": {
            "categories": [f"2026-11-{day:02d}" for day in range(8, 22)],
            "y": {"label": "Cases due"},
            "stacked": True,
            "series": [
                {"name": "New", "tone": "accent", "values": [3, 2, 4, 0, 1, 5, 2, 3, 4, 1, 0, 2, 6, 3]},
                {"name": "Repetition", "tone": "query", "values": [5, 4, 2, 6, 3, 2, 5, 4, 3, 6, 2, 1, 4, 5]},
            ],
        },
        "heat": {
            "columns": ["Lung", "Pleura", "Mediastinum", "Heart", "Chest wall"],
            "rows": ["CT", "Radiograph", "MR"],
            "values": [[0.81, 0.72, 0.64, 0.55, 0.9], [0.62, 0.7, 0.44, 0.51, None], [None, 0.35, 0.58, 0.73, 0.66]],
        },
        "timeline": {
            "rows": ["Screening", "Baseline", "Week 8", "Week 16"],
            "spans": [
                {"row": "Screening", "from": "2026-06-01", "to": "2026-06-14", "name": "Screening", "tone": "pass"},
                {"row": "Baseline", "from": "2026-06-16", "to": "2026-06-23", "name": "Baseline", "tone": "pass"},
                {"row": "Week 8", "from": "2026-08-05", "to": "2026-08-19", "name": "Week 8: late", "tone": "fail"},
                {"row": "Week 16", "from": "2026-10-01", "to": "2026-10-15", "name": "Week 16", "tone": "query"},
            ],
        },
        "trend": {
            "x": {"label": "Visit", "type": "time"},
            "y": {"label": "Sum of diameters", "unit": "mm"},
            "series": [
                {
                    "name": "Reader 1",
                    "points": [
                        {"x": "2026-06-10", "y": 84, "lo": 80, "hi": 88},
                        {"x": "2026-08-07", "y": 61, "lo": 57, "hi": 66},
                        {"x": "2026-10-02", "y": 52, "lo": 48, "hi": 57},
                    ],
                }
            ],
        },
    }


def showcase(request: HttpRequest) -> HttpResponse:
    """The page; `?form=errors` shows the form refused."""
    now = timezone.now()
    form = SampleForm({"title": ""}) if request.GET.get("form") == "errors" else SampleForm()
    jobs = [
        Job(title="Import of 1 204 files", state=Job.State.RUNNING, done=331, total=1204, message="Series 4 of 12"),
        Job(title="Export of course Thorax", state=Job.State.QUEUED),
        Job(title="De-identify 14 studies", state=Job.State.RUNNING, done=9, total=14, cancel_requested=True),
        Job(title="Rebuild thumbnails", state=Job.State.SUCCEEDED, done=96, total=96, result_url="#"),
        Job(
            title="Import of folder MR-7",
            state=Job.State.FAILED,
            error="The disk is full; 112 files wait in the spool.",
        ),
        Job(title="Export of 3 studies", state=Job.State.CANCELLED),
    ]
    context = {
        "parts": PARTS,
        "form": form,
        "uid": SAMPLE_UID,
        "now": now,
        "earlier": now - timedelta(hours=3, minutes=12),
        "jobs": jobs,
        "charts": _charts(),
        "tones": ("pass", "fail", "query", "blinded", "info"),
        "colours": (
            ("ground", "surface", "sunken", "raised", "hover", "line", "line-strong", "line-control"),
            ("text", "text-2", "text-3", "accent", "accent-hover", "accent-soft", "on-accent", "focus"),
            ("pass", "pass-soft", "fail", "fail-soft", "query", "query-soft", "blinded", "blinded-soft"),
            ("info", "info-soft", "heat-1", "heat-2", "heat-3", "heat-4", "heat-5"),
        ),
        "heat_steps": range(1, 6),
        "sizes": ("xs", "sm", "md", "lg", "xl", "2xl"),
        "has_errors": bool(form.errors) if form.is_bound else False,
        "rows": [
            {
                "name": f"PHANTOM^{name}",
                "date": (now - timedelta(days=9 * at)).date(),
                "modality": modality,
                "images": images,
                "state": state,
            }
            for at, (name, modality, images, state) in enumerate(
                (
                    ("CHEST", "CT", 312, "pass"),
                    ("BRAIN", "MR", 1208, "query"),
                    ("LIVER", "US", 64, "fail"),
                    ("KNEE", "MR", 180, "blinded"),
                    ("THORAX", "DX", 2, "info"),
                )
            )
        ],
    }
    return render(request, "core/design.html", context)


def answer(request: HttpRequest) -> HttpResponse:
    """What the live examples of the page ask for."""
    kind = request.GET.get("kind", "")
    if kind == "toast":
        tone = request.GET.get("tone", "pass")
        response = HttpResponse(status=204)
        response["HX-Trigger"] = (
            f'{{"toast": {{"message": "Released to readers", "tone": "{tone if tone.isalpha() else "info"}"}}}}'
        )
        return response
    if kind == "refused":
        raise Forbidden
    if kind == "drawer":
        return render(request, "core/design/drawer.html", {"uid": SAMPLE_UID, "now": timezone.now()})
    if kind == "choices":
        words = request.GET.get("q", "").casefold()
        found = [{"value": one, "label": one, "note": "DICOM"} for one in MODALITIES if words in one.casefold()]
        return JsonResponse({"results": found})
    return HttpResponse(status=204)
