"""The OpenAPI document describes the API of every organisation, and so is made outside any one of them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.generators import SchemaGenerator

from core.tenancy import all_tenants


class Generator(SchemaGenerator):
    """Reads models and filters, never rows."""

    def get_schema(self, *arguments: Any, **options: Any) -> Any:
        with all_tenants():
            return super().get_schema(*arguments, **options)
