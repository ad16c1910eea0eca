"""REST: albums of an archive and the studies in them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from archive import queries as archive_queries
from archive.albums import queries, services
from archive.albums.models import LONGEST_DESCRIPTION, LONGEST_NAME, Album
from archive.api.common import ArchiveMixin, person
from archive.api.serializers import StudySerializer
from archive.models import Archive, Study
from core.errors import Invalid, NotFound

MOST_AT_ONCE = 500


class AlbumSerializer(serializers.ModelSerializer[Album]):
    id = serializers.CharField(source="public_id", read_only=True)
    owner = serializers.CharField(source="owner.username", read_only=True)
    is_open = serializers.BooleanField(
        required=False, help_text="Whether everybody who reads the archive sees it; otherwise its maker and managers."
    )
    studies = serializers.IntegerField(source="study_count", read_only=True, help_text="How many studies are in it.")

    class Meta:
        model = Album
        fields = ("id", "name", "description", "is_open", "owner", "studies", "created_at", "updated_at")
        read_only_fields = ("created_at", "updated_at")
        # Who may have which name twice is the service's to say.
        validators: tuple[Any, ...] = ()


class WantedAlbumSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=LONGEST_NAME)
    description = serializers.CharField(max_length=LONGEST_DESCRIPTION, required=False, allow_blank=True)
    is_open = serializers.BooleanField(required=False)


class WantedStudiesSerializer(serializers.Serializer[Any]):
    studies = serializers.ListField(
        child=serializers.CharField(max_length=64),
        min_length=1,
        max_length=MOST_AT_ONCE,
        help_text="Keys or Study Instance UIDs of studies of the same archive.",
    )


class AddedSerializer(serializers.Serializer[Any]):
    added = serializers.IntegerField()
    known = serializers.IntegerField(help_text="How many were in the album already; they stay where they are.")


class AlbumFilter(filters.FilterSet):
    q = filters.CharFilter(method="search", help_text="Words in name or description.")
    owner = filters.CharFilter(field_name="owner__username")
    ordering = filters.OrderingFilter(fields=("name", "created_at", "updated_at", "study_count"))

    def search(self, queryset: Any, name: str, value: str) -> Any:
        for word in value.replace("\x00", "").split()[:8]:
            queryset = queryset.filter(Q(name__icontains=word) | Q(description__icontains=word))
        return queryset


class AlbumMixin(ArchiveMixin):
    def get_album(self) -> Album:
        archive = self.get_archive()
        return queries.get_album(user=self.request.user, archive=archive, public_id=self.kwargs["album"])


def album_json(album: Album) -> dict[str, Any]:
    counted = queries.counted(Album.objects.filter(pk=album.pk).select_related("owner")).get()
    return dict(AlbumSerializer(counted).data)


def _wanted(
    request: Request, serializer: type[serializers.Serializer[Any]], *, partial: bool = False
) -> dict[str, Any]:
    data = serializer(data=request.data, partial=partial)
    data.is_valid(raise_exception=True)
    return dict(data.validated_data)


class Albums(ArchiveMixin, generics.ListAPIView[Album]):
    """Albums of an archive that the caller may read, changed last first; POST makes an empty one."""

    serializer_class = AlbumSerializer
    filterset_class = AlbumFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Album.objects.none()
        rows = queries.albums(user=self.request.user, archive=self.get_archive())
        return queries.counted(rows).order_by("-updated_at", "-pk")

    @extend_schema(request=WantedAlbumSerializer, responses={201: AlbumSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        archive = self.get_archive()
        album = services.create_album(
            actor=person(request), archive=archive, request=request._request, **_wanted(request, WantedAlbumSerializer)
        )
        return Response(album_json(album), status=status.HTTP_201_CREATED)


class AlbumDetail(AlbumMixin, APIView):
    """One album. PATCH renames, describes, opens or closes it; DELETE takes it and its shares, never its studies."""

    @extend_schema(responses=AlbumSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(album_json(self.get_album()))

    @extend_schema(request=WantedAlbumSerializer, responses=AlbumSerializer)
    def patch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        album = self.get_album()
        values = {name: getattr(album, name) for name in ("name", "description", "is_open")}
        values |= _wanted(request, WantedAlbumSerializer, partial=True)
        services.change_album(actor=person(request), album=album, request=request._request, **values)
        return Response(album_json(album))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        services.delete_album(actor=person(request), album=self.get_album(), request=request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AlbumStudies(AlbumMixin, generics.ListAPIView[Study]):
    """Studies of an album in its order; POST adds some at the end. Adding one that is in it changes nothing."""

    serializer_class = StudySerializer
    filter_backends: tuple[Any, ...] = ()

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Study.objects.none()
        return queries.studies(user=self.request.user, album=self.get_album())

    @extend_schema(
        request=WantedStudiesSerializer,
        responses={
            200: AddedSerializer,
            403: OpenApiResponse(description="People outside see the album, and the caller may not share."),
        },
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        album = self.get_album()
        queries.require_change(user=request.user, album=album)
        keys = list(dict.fromkeys(_wanted(request, WantedStudiesSerializer)["studies"]))
        found = self._named(album.archive, keys)
        done = services.add_studies(actor=person(request), album=album, studies=found, request=request._request)
        return Response({"added": done.added, "known": done.known})

    def _named(self, archive: Archive, keys: list[str]) -> list[Study]:
        rows = archive_queries.studies(user=self.request.user, archive=archive)
        by_key: dict[str, Study] = {}
        for study in rows.filter(Q(public_id__in=keys) | Q(study_instance_uid__in=keys)):
            by_key |= {study.public_id: study, study.study_instance_uid: study}
        if any(key not in by_key for key in keys):
            raise Invalid(fields={"studies": [_("Not all of them are studies of this archive. Nothing was added.")]})
        return list({by_key[key].pk: by_key[key] for key in keys}.values())


class AlbumStudy(AlbumMixin, APIView):
    """One study (key or Study Instance UID) of an album: DELETE takes it out; it stays in the archive."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        album, key = self.get_album(), self.kwargs["study"]
        rows = queries.studies(user=request.user, album=album)
        study = rows.filter(Q(public_id=key) | Q(study_instance_uid=key)).first()
        if study is None:
            raise NotFound
        services.remove_studies(actor=person(request), album=album, studies=[study.public_id], request=request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)
