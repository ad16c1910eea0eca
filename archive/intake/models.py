"""Who may send to an archive for de-identified images. No row, no images: only de-identification runs write there."""

from __future__ import annotations

import ipaddress
from typing import ClassVar, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TimeStampedModel, new_public_id

#: The prefix ::ffff:0:0/96 of IPv4 addresses on a socket for both families (RFC 4291 2.5.5.2).
IPV4_MAPPED_BITS: Final = 96


def network_of(words: str) -> str:
    """An address or a range of either family in CIDR notation; IPv4 in its IPv6 form becomes IPv4, as in `covers`.

    Raises `ValidationError`.
    """
    try:
        network = ipaddress.ip_network(words.strip(), strict=False)
    except ValueError as error:
        raise ValidationError(_("Enter an IP address or a range such as 10.1.2.0/24.")) from error
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= IPV4_MAPPED_BITS:
        network = ipaddress.IPv4Network((mapped, network.prefixlen - IPV4_MAPPED_BITS))
    return str(network)


def validate_network(value: str) -> None:
    network_of(value)


class IntakeSource(TenantModel, TimeStampedModel):
    """One source of an archive's intake policy. Whatever it sends is screened on arrival all the same.

    Anyone can claim a calling AE title, so it counts only from the addresses given with it.
    """

    class Kind(models.TextChoices):
        AE = "ae", _("DICOM sender")
        PERSON = "person", _("Person or service account")
        ROLE = "role", _("Everybody with a role")
        IMPORT = "import", _("Bulk import on the server")

    archive = models.ForeignKey("archive.Archive", on_delete=models.CASCADE, related_name="intake_sources")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    calling_ae_title = models.CharField(_("calling AE title"), max_length=16, blank=True)
    network = models.CharField(_("address or range"), max_length=49, blank=True, validators=[validate_network])
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    #: Kind `role`: whose holders may send. Kind `ae`: on whose behalf the sender sends (staff of a site).
    role = models.ForeignKey("access.ContainerRole", on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    #: From then on it may send nothing. The row stays: what it sent came from it.
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    permission_path: ClassVar[str] = "archive"

    class Meta:
        ordering = ("kind", "calling_ae_title", "pk")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["archive", "kind", "calling_ae_title", "network", "user", "role"],
                condition=Q(ended_at=None),
                name="intake_source_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(kind="ae", user=None) & ~Q(calling_ae_title="") & ~Q(network="")
                | Q(kind="person", user__isnull=False, role=None, calling_ae_title="", network="")
                | Q(kind="role", role__isnull=False, user=None, calling_ae_title="", network="")
                | Q(kind="import", user=None, role=None, calling_ae_title="", network=""),
                name="intake_source_is_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return self.public_id

    def covers(self, address: str | None) -> bool:
        """Whether the address lies in the source's range; IPv4 in its IPv6 form counts as IPv4."""
        try:
            given = ipaddress.ip_address(address or "")
            network = ipaddress.ip_network(self.network, strict=False)
        except ValueError:
            return False
        if isinstance(given, ipaddress.IPv6Address) and given.ipv4_mapped is not None:
            given = given.ipv4_mapped
        return given.version == network.version and given in network
