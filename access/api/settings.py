"""REST: the settings of an organisation."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access import services
from access.api.common import Administers
from access.models import Organisation
from access.services.organisations import SETTINGS
from core.errors import Invalid


class SettingsSerializer(serializers.ModelSerializer[Organisation]):
    class Meta:
        model = Organisation
        fields = ("slug", *SETTINGS, "storage_quota_bytes", "people_quota")
        read_only_fields = ("slug", "storage_quota_bytes", "people_quota")


class Settings(Administers):
    """Name, time zone, contact, joining, life of tokens, retention. Quotas are the installation's: only to read."""

    permission = "access.change_organisation"
    proof_act = "settings"

    @extend_schema(responses=SettingsSerializer)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        return Response(SettingsSerializer(self.organisation()).data)

    @extend_schema(request=SettingsSerializer, responses=SettingsSerializer)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        organisation = self.organisation()
        data = SettingsSerializer(organisation, data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        unknown = sorted(set(request.data) - set(SETTINGS))
        if unknown:
            raise Invalid(fields={name: [_("This cannot be changed here.")] for name in unknown})
        services.change_organisation(
            actor=self.actor, organisation=organisation, changes=dict(data.validated_data), request=request._request
        )
        return Response(SettingsSerializer(organisation).data)
