"""REST: callers that an archive refused."""

from __future__ import annotations

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access import proofs, sudo
from access.models import ApiToken
from archive.api.common import ArchiveMixin, person
from archive.permissions import CHANGE
from dimse import queries, refusals
from dimse.models import RefusedCaller


class RefusedCallerSerializer(serializers.ModelSerializer[RefusedCaller]):
    id = serializers.CharField(source="public_id")
    is_curable = serializers.BooleanField(help_text="Whether allowing the calling AE title would let it in.")

    class Meta:
        model = RefusedCaller
        fields: ClassVar[tuple[str, ...]] = (
            "id", "calling_ae_title", "called_ae_title", "address", "reason", "count", "first_at", "last_at",
            "is_curable",
        )  # fmt: skip


class RefusedCallerFilter(filters.FilterSet):
    reason = filters.ChoiceFilter(choices=RefusedCaller.Reason.choices)
    calling_ae_title = filters.CharFilter()
    since = filters.IsoDateTimeFilter(field_name="last_at", lookup_expr="gte")


class RefusedCallers(ArchiveMixin, generics.ListAPIView[RefusedCaller]):
    """Callers that the archive refused, the last first, for who may change its settings."""

    permission = CHANGE
    serializer_class = RefusedCallerSerializer
    filterset_class = RefusedCallerFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return RefusedCaller.objects.none()
        return queries.refused_callers(archive=self.get_archive()).order_by("-last_at", "-pk")


class AllowCaller(ArchiveMixin, APIView):
    """Let a refused caller in: it goes to the archive's calling AE titles, or, in an archive of de-identified images, to
    its sources with the address it called from."""

    permission = CHANGE
    token_scope = "admin"
    proof_act = "intake"

    @extend_schema(
        request=None,
        responses={204: None, 409: OpenApiResponse(description="Allowing the AE title would not change the reason.")},
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        if not isinstance(request.auth, ApiToken):
            sudo.require(request._request, reason=proofs.ACTS[self.proof_act])
        row = queries.refused_caller(archive=self.get_archive(), public_id=self.kwargs["caller"])
        refusals.allow(actor=person(request), caller=row, request=request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)
