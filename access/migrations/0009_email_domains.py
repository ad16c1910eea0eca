from __future__ import annotations

import json
from typing import Any

import access.single_sign_on.models
import core.models
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from core.tenancy import all_tenants


def enter_domains(apps: Any, schema_editor: Any) -> None:
    """What providers name already, as not proven: nothing is believed of it until it is."""
    with all_tenants(), schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT organisation_id, domains FROM access_identityprovider")
        named = {
            (organisation, str(domain)[:253])
            for organisation, domains in cursor.fetchall()
            for domain in (json.loads(domains) if isinstance(domains, str) else domains)
        }
        for organisation, domain in sorted(named):
            cursor.execute(
                "INSERT INTO access_emaildomain (public_id, domain, challenge, proven_by, outcome, organisation_id)"
                " VALUES (%s, %s, %s, '', '', %s)",
                [
                    core.models.new_public_id(),
                    domain,
                    access.single_sign_on.models.new_challenge(),
                    organisation,
                ],
            )


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0008_invitations_end_with_their_inviter"),
    ]

    operations = [
        migrations.AlterField(
            model_name="identityprovider",
            name="trusts_email",
            field=models.BooleanField(
                default=False,
                help_text="Somebody with an address of these domains, verified by the provider, may enter the member's account that has proven the same address. It counts for domains that are proven to be yours. Otherwise people connect their accounts themselves, once, after signing in.",
                verbose_name="trusted for these domains",
            ),
        ),
        migrations.CreateModel(
            name="EmailDomain",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(default=core.models.new_public_id, editable=False, max_length=12, unique=True),
                ),
                ("domain", models.CharField(max_length=253)),
                (
                    "challenge",
                    models.CharField(default=access.single_sign_on.models.new_challenge, editable=False, max_length=64),
                ),
                ("proven_at", models.DateTimeField(blank=True, null=True)),
                (
                    "proven_by",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("dns", "Proven by its DNS record"),
                            ("installation", "Confirmed by the administrator of the installation"),
                        ],
                        max_length=12,
                    ),
                ),
                ("asked_at", models.DateTimeField(blank=True, null=True)),
                ("checked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("found", "The record was found"),
                            ("absent", "No record with this value was found"),
                            ("unreachable", "The name servers did not answer; nothing was changed"),
                            (
                                "taken",
                                "The record was found, but the domain belongs to another organisation here; ask the administrator of the installation",
                            ),
                        ],
                        max_length=12,
                    ),
                ),
                ("missing_since", models.DateTimeField(blank=True, null=True)),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.organisation",
                    ),
                ),
            ],
            options={
                "ordering": ("domain",),
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("organisation", "domain"), name="one_entry_per_domain"),
                    models.UniqueConstraint(
                        condition=models.Q(("proven_at__isnull", False)),
                        fields=("domain",),
                        name="one_owner_per_domain",
                    ),
                ],
            },
        ),
        migrations.RunPython(enter_domains, migrations.RunPython.noop),
    ]
