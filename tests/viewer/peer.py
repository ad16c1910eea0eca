"""A small DICOMweb server over data sets in memory: what the viewer's page needs and no more.

It stands in for the archive so that these tests show the viewer's faults, and can fail on purpose.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames


class Peer:
    """Data sets by series, and what is to go wrong."""

    def __init__(self) -> None:
        self.series: dict[str, list[Dataset]] = {}
        self.broken: set[tuple[str, int]] = set()
        # Status and problem document (RFC 9457) of frames that are refused.
        self.refused: dict[tuple[str, int], tuple[int, dict[str, str]]] = {}
        self.signed_out = False
        self.requests: list[str] = []

    def add(self, *datasets: Dataset) -> None:
        for dataset in datasets:
            rows = self.series.setdefault(str(dataset.SeriesInstanceUID), [])
            if all(row.SOPInstanceUID != dataset.SOPInstanceUID for row in rows):
                rows.append(dataset)

    def metadata(self, request: HttpRequest, series: str) -> HttpResponse:
        self.requests.append(request.path)
        if self.signed_out:
            return HttpResponse(status=401)
        if series not in self.series:
            raise Http404
        body = json.dumps([_json(dataset) for dataset in self.series[series]])
        return HttpResponse(body, content_type="application/dicom+json")

    def frame(self, request: HttpRequest, series: str, sop: str, number: int) -> HttpResponse:
        self.requests.append(request.path)
        if self.signed_out:
            return HttpResponse(status=401)
        if (sop, number) in self.broken:
            return HttpResponse(status=500)
        if (sop, number) in self.refused:
            status, problem = self.refused[sop, number]
            return JsonResponse(problem, status=status, content_type="application/problem+json")
        dataset = self._instance(series, sop)
        pixels, syntax = _frame(dataset, number)
        boundary = "frame-boundary"
        kind = f"application/octet-stream; transfer-syntax={syntax}"
        body = b"".join(
            (f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode(), pixels, f"\r\n--{boundary}--\r\n".encode())
        )
        content_type = (
            f'multipart/related; type="application/octet-stream"; transfer-syntax={syntax}; boundary={boundary}'
        )
        return HttpResponse(body, content_type=content_type)

    def thumbnail(self, _request: HttpRequest, series: str) -> HttpResponse:
        if series not in self.series:
            raise Http404
        dataset = self.series[series][len(self.series[series]) // 2]
        pixels = dataset.pixel_array
        if pixels.ndim > (3 if dataset.SamplesPerPixel == 3 else 2):
            pixels = pixels[0]
        low, high = float(pixels.min()), float(pixels.max())
        if "WindowCenter" in dataset and dataset.get("RescaleSlope") is not None:
            intercept = float(dataset.RescaleIntercept)
            low = float(dataset.WindowCenter) - float(dataset.WindowWidth) / 2 - intercept
            high = low + float(dataset.WindowWidth)
        grey = np.clip((pixels.astype(float) - low) / max(1.0, high - low) * 255, 0, 255).astype(np.uint8)
        picture = Image.fromarray(grey)
        picture.thumbnail((160, 160))
        response = HttpResponse(content_type="image/png")
        picture.save(response, "png")
        return response

    def _instance(self, series: str, sop: str) -> Dataset:
        for dataset in self.series.get(series, []):
            if dataset.SOPInstanceUID == sop:
                return dataset
        raise Http404


def _json(dataset: Dataset) -> dict[str, Any]:
    copy = Dataset()
    for element in dataset:
        if element.tag.group != 0x7FE0:
            copy.add(element)
    found: dict[str, Any] = copy.to_json_dict(suppress_invalid_tags=True)
    found["00083002"] = {"vr": "UI", "Value": [str(dataset.file_meta.TransferSyntaxUID)]}
    return found


def _frame(dataset: Dataset, number: int) -> tuple[bytes, str]:
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if not 1 <= number <= frames:
        raise Http404
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        return list(generate_frames(dataset.PixelData, number_of_frames=frames))[number - 1], str(syntax)
    length = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    return dataset.PixelData[(number - 1) * length : number * length], "1.2.840.10008.1.2.1"
