"""REST: who am I, and where may I go."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access import queries
from access.models import ApiToken, Organisation, User


class OrganisationSerializer(serializers.ModelSerializer[Organisation]):
    class Meta:
        model = Organisation
        fields = ("slug", "name", "time_zone")


class PersonSerializer(serializers.ModelSerializer[User]):
    organisations = serializers.SerializerMethodField(help_text="Organisations the person is an active member of.")
    token_scopes = serializers.SerializerMethodField(help_text="Scopes of the token in use; null for a session.")

    class Meta:
        model = User
        fields = ("username", "display_name", "time_zone", "language", "organisations", "token_scopes")

    def get_organisations(self, user: User) -> list[str]:
        return list(queries.organisations_of(user).values_list("slug", flat=True))

    def get_token_scopes(self, user: User) -> list[str] | None:
        token = self.context["request"].auth
        return token.scopes if isinstance(token, ApiToken) else None


class Me(APIView):
    """The person behind the session or token."""

    @extend_schema(responses=PersonSerializer)
    def get(self, request: Request) -> Response:
        person: Any = request.user
        return Response(PersonSerializer(person, context={"request": request}).data)


class Organisations(generics.ListAPIView[Organisation]):
    """The organisations that the caller is a member of."""

    serializer_class = OrganisationSerializer
    filter_backends: tuple[Any, ...] = ()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Organisation.objects.none()
        person: Any = self.request.user
        return queries.organisations_of(person)
