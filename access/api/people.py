"""REST: the people of an organisation and their roles, for programs that provision them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access import people, services
from access.api.common import Administers
from access.models import ContainerRole, Membership, Organisation, RoleContainer
from access.services.joining import named_roles
from core.errors import Invalid, NotFound

STATES = ("active", "suspended", "ended")


class RoleSerializer(serializers.Serializer[Any]):
    container = serializers.CharField(help_text='Kind and number, e.g. "archive.archive:12".')
    name = serializers.CharField(read_only=True, help_text="The container as people know it.")
    role = serializers.CharField()
    until = serializers.DateTimeField(
        required=False, allow_null=True, write_only=True, help_text="When the role ends by itself; null: not."
    )


class ContainerSerializer(serializers.Serializer[Any]):
    container = serializers.CharField()
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())


class MemberSerializer(serializers.ModelSerializer[Membership]):
    """A membership with its person."""

    id = serializers.IntegerField(source="user_id")
    username = serializers.CharField(source="user.username")
    display_name = serializers.CharField(source="user.display_name")
    email = serializers.EmailField(source="user.email")
    is_service = serializers.BooleanField(source="user.is_service")
    state = serializers.SerializerMethodField()
    roles = serializers.SerializerMethodField()

    class Meta:
        model = Membership
        fields = (
            "id", "username", "display_name", "email", "is_service", "state", "joined_at", "last_seen_at", "roles",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_state(self, membership: Membership) -> str:
        if membership.is_active:
            return "active"
        return "suspended" if membership.suspended_at else "ended"

    @extend_schema_field(RoleSerializer(many=True))
    def get_roles(self, membership: Membership) -> list[dict[str, str]]:
        names: dict[str, str] = self.context["names"]
        held: list[ContainerRole] = self.context["roles"].get(membership.user_id, [])
        keys = [(f"{one.container_kind}:{one.container_id}", one.role) for one in held]
        return [{"container": key, "name": names[key], "role": role} for key, role in keys if key in names]


class NewPersonSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60, help_text='The part before the "@" of the user name.')
    display_name = serializers.CharField(max_length=150)
    email = serializers.EmailField(required=False, allow_blank=True, default="")


class MadePersonSerializer(serializers.Serializer[Any]):
    person = MemberSerializer()
    one_time_password = serializers.CharField(help_text="Told once. The first sign-in replaces it.")


class MemberFilter(filters.FilterSet):
    q = filters.CharFilter(method="search", help_text="Words in name, user name or e-mail address.")
    state = filters.ChoiceFilter(method="in_state", choices=[(state, state) for state in STATES])
    service = filters.BooleanFilter(method="is_service", help_text="Service accounts alone, or people alone.")

    def search(self, rows: QuerySet[Membership], name: str, value: str) -> QuerySet[Membership]:
        for word in value.replace("\x00", "").split()[:8]:
            named = Q(user__display_name__icontains=word) | Q(user__username__icontains=word)
            rows = rows.filter(named | Q(user__email__icontains=word))
        return rows

    def in_state(self, rows: QuerySet[Membership], name: str, value: str) -> QuerySet[Membership]:
        if value == "active":
            return rows.filter(is_active=True)
        return rows.filter(is_active=False, suspended_at__isnull=value == "ended")

    def is_service(self, rows: QuerySet[Membership], name: str, value: bool) -> QuerySet[Membership]:
        return rows.filter(user__service_of__isnull=not value)


def shown(organisation: Organisation, memberships: list[Membership]) -> dict[str, Any]:
    """What the serializer needs of all of them: a fixed number of queries."""
    return {
        "names": {_key(one): str(one) for one in people.containers_of(organisation)},
        "roles": people.roles_by_person(organisation=organisation, people=[one.user_id for one in memberships]),
    }


def _key(container: RoleContainer) -> str:
    return f"{container.container_kind()}:{container.pk}"


class People(Administers, generics.ListAPIView[Membership]):
    """Everybody who is or was a member, by name; POST makes an account with a one-time password."""

    serializer_class = MemberSerializer
    filterset_class = MemberFilter

    def get_queryset(self) -> QuerySet[Membership]:
        if getattr(self, "swagger_fake_view", False):
            return Membership.objects.none()
        return people.memberships(self.organisation()).order_by("user__display_name", "user__username")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        context = shown(self.organisation(), page)
        return self.get_paginated_response(MemberSerializer(page, many=True, context=context).data)

    @extend_schema(request=NewPersonSerializer, responses={201: MadePersonSerializer})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        organisation = self.organisation()
        data = NewPersonSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        user, password = people.create_person(
            actor=self.actor, organisation=organisation, request=request._request, **data.validated_data
        )
        made = _one(organisation, user.pk)
        person = MemberSerializer(made, context=shown(organisation, [made])).data
        body = {"person": person, "one_time_password": password}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


def _one(organisation: Organisation, person: int) -> Membership:
    found: Membership | None = people.memberships(organisation).filter(user=person).first()
    if found is None:
        raise NotFound
    return found


class OfPerson(Administers):
    """One person of the address."""

    def membership(self) -> Membership:
        return _one(self.organisation(), self.kwargs["person"])

    def respond(self, *, status: int = 200) -> Response:
        found = self.membership()
        return Response(MemberSerializer(found, context=shown(found.organisation, [found])).data, status=status)


class OnePerson(OfPerson):
    """One person; DELETE ends the membership and every role at once."""

    @extend_schema(responses=MemberSerializer)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        return self.respond()

    @extend_schema(responses={204: None})
    def delete(self, request: Request, **_kwargs: Any) -> Response:
        found = self.membership()
        services.remove_member(
            actor=self.actor, organisation=found.organisation, user=found.user, request=request._request
        )
        return Response(status=204)


class Suspension(OfPerson):
    """PUT closes every door of the organisation to the person, whose roles wait; DELETE opens them again."""

    @extend_schema(request=None, responses=MemberSerializer)
    def put(self, request: Request, **_kwargs: Any) -> Response:
        found = self.membership()
        services.suspend_member(
            actor=self.actor, organisation=found.organisation, user=found.user, request=request._request
        )
        return self.respond()

    @extend_schema(responses=MemberSerializer)
    def delete(self, request: Request, **_kwargs: Any) -> Response:
        found = self.membership()
        services.restore_member(
            actor=self.actor, organisation=found.organisation, user=found.user, request=request._request
        )
        return self.respond()


class Roles(OfPerson):
    """The roles of a person; POST gives one, and giving it again changes nothing."""

    @extend_schema(responses=RoleSerializer(many=True))
    def get(self, request: Request, **_kwargs: Any) -> Response:
        return Response(self.respond().data["roles"])

    @extend_schema(request=RoleSerializer, responses={201: MemberSerializer})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        found = self.membership()
        data = RoleSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        wanted = data.validated_data
        [(container, role)] = named_roles(found.organisation, keys=[f"{wanted['container']}:{wanted['role']}"])
        services.grant_role(
            actor=self.actor,
            container=container,
            role=role,
            user=found.user,
            expires_at=wanted.get("until"),
            request=request._request,
        )
        return self.respond(status=201)


class OneRole(OfPerson):
    """DELETE takes a role back, whatever it was given for."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, **_kwargs: Any) -> Response:
        found = self.membership()
        try:
            [(container, role)] = named_roles(
                found.organisation, keys=[f"{self.kwargs['container']}:{self.kwargs['role']}"]
            )
        except Invalid as error:
            raise NotFound from error  # part of the address: absent, not invalid
        services.revoke_role(
            actor=self.actor, container=container, role=role, user=found.user, request=request._request
        )
        return Response(status=204)


class Containers(Administers):
    """What roles are given on: the organisation, archives, libraries, courses."""

    pagination_class = None

    @extend_schema(responses=ContainerSerializer(many=True))
    def get(self, request: Request, **_kwargs: Any) -> Response:
        rows = [
            {"container": _key(one), "name": str(one), "roles": list(one.ROLES)}
            for one in people.containers_of(self.organisation())
        ]
        return Response(ContainerSerializer(rows, many=True).data)
