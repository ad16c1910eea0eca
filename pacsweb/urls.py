"""Every address of PACSWeb; each app brings its own. `/healthz` and `/metrics` are answered in pacsweb.health."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    # A page has no body for an error of another method: asked only to be read, it never has to make one.
    path("api/v1/docs/", require_safe(SpectacularSwaggerView.as_view(url_name="api-schema")), name="api-docs"),
    path("", include("access.urls")),
    path("", include("access.sign_in.urls")),
    path("", include("core.urls")),
    path("api/v1/", include("access.api_urls")),
    path("api/v1/", include("audit.api_urls")),
    path("api/v1/", include("archive.api_urls")),
    path("api/v1/", include("dimse.api_urls")),
    path("", include("deid.urls")),
    path("", include("archive.urls")),
    path("", include("dimse.urls")),
    path("", include("dicomweb.urls")),
    path("", include("audit.urls")),
    path("", include("viewer.urls")),
    path("api/v1/", include("teaching.api_urls")),
    path("api/v1/", include("practice.api_urls")),
    path("api/v1/", include("trials.api_urls")),
    path("", include("teaching.urls")),
    path("", include("trials.urls")),
    path("", include("practice.urls")),
]

handler500 = "core.middleware.failed"
