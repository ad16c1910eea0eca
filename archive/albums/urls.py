"""Addresses of albums, within the namespace of the archive."""

from __future__ import annotations

from django.urls import path

from archive.albums import views

ALL = "o/<slug:organisation>/archive/<slug:archive>/albums/"
ONE = ALL + "<slug:album>/"

urlpatterns = [
    path(ALL, views.album_list, name="album-list"),
    path(ALL + "new/", views.album_create, name="album-create"),
    path(ALL + "add/", views.album_add, name="album-add"),
    path(ONE, views.album_detail, name="album"),
    path(ONE + "edit/", views.album_edit, name="album-edit"),
    path(ONE + "remove/", views.album_remove, name="album-remove"),
    path(ONE + "put-back/", views.album_put_back, name="album-put-back"),
    path(ONE + "move/", views.album_move, name="album-move"),
    path(ONE + "arrange/", views.album_arrange, name="album-arrange"),
    path(ONE + "export/", views.album_export, name="album-export"),
    path(ONE + "delete/", views.album_delete, name="album-delete"),
]
