"""REST: trials and their sites."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trials import queries, services
from trials.api.common import TrialMixin, wanted
from trials.api.filters import SiteFilter, TrialFilter
from trials.api.serializers import SiteSerializer, TrialSerializer, WantedSiteSerializer, WantedTrialSerializer
from trials.models import Site, Trial
from trials.permissions import CHANGE


def trials_json(user: Any, rows: list[Trial]) -> Any:
    """A fixed number of queries, however many."""
    counts = queries.face_counts(user, rows)
    whole = queries.seen_whole(user, rows)
    seen = {pk: found for pk, found in counts.items() if found or pk in whole}
    return TrialSerializer(rows, many=True, context={"seen": seen}).data


def sites_json(rows: list[Site]) -> Any:
    return SiteSerializer(rows, many=True, context={"staff": queries.staff_counts(rows)}).data


class Trials(TrialMixin, generics.ListAPIView[Trial]):
    """Trials that the caller has a part in, by protocol ID."""

    serializer_class = TrialSerializer
    filterset_class = TrialFilter

    def get_queryset(self) -> Any:
        return Trial.objects.none() if self.is_schema else queries.trials(self.actor)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(trials_json(self.actor, page))


class TrialDetail(TrialMixin, APIView):
    """One trial. PATCH changes protocol ID, name, sponsor or description while it is open."""

    @extend_schema(responses=TrialSerializer)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        return Response(trials_json(self.actor, [self.get_trial()])[0])

    @extend_schema(request=WantedTrialSerializer, responses=TrialSerializer)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        trial = self.get_trial(CHANGE)
        changes = wanted(request, WantedTrialSerializer, partial=True)
        services.change_trial(actor=self.actor, trial=trial, changes=changes, request=request._request)
        return Response(trials_json(self.actor, [trial])[0])


class Sites(TrialMixin, generics.ListAPIView[Site]):
    """Sites of a trial that the caller sees, by their ID; POST adds one. Roles on it are given as on any container."""

    serializer_class = SiteSerializer
    filterset_class = SiteFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Site.objects.none()
        rows = queries.sites(self.actor, trial=self.get_unblinded())
        return queries.with_counts(rows).order_by("number", "pk")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(sites_json(page))

    @extend_schema(request=WantedSiteSerializer, responses={201: SiteSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        trial = self.get_trial(CHANGE)
        values = wanted(request, WantedSiteSerializer)
        made = services.create_site(actor=self.actor, trial=trial, request=request._request, **values)
        return Response(_site_json(made), status=status.HTTP_201_CREATED)


class SiteDetail(TrialMixin, APIView):
    """One site. PATCH changes its ID, name, investigator or contact while it and its trial are open."""

    @extend_schema(responses=SiteSerializer)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        return Response(_site_json(self.get_site(self.get_trial())))

    @extend_schema(request=WantedSiteSerializer, responses=SiteSerializer)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        site = self.get_site(self.get_trial(CHANGE))
        changes = wanted(request, WantedSiteSerializer, partial=True)
        services.change_site(actor=self.actor, site=site, changes=changes, request=request._request)
        return Response(_site_json(site))


def _site_json(site: Site) -> Any:
    return sites_json(list(queries.with_counts(Site.objects.filter(pk=site.pk))))[0]
