import django.db.models.deletion
from django.db import migrations, models

from core.tenancy import all_tenants


SENT_FOR = """
UPDATE archive_delivery delivery SET sent_for_kind = role.container_kind, sent_for_id = role.container_id
FROM archive_intakesource source
JOIN access_containerrole role ON role.id = source.role_id
WHERE delivery.intake_source_id = source.id
"""

RELEASES = """
UPDATE archive_delivery delivery
SET release_of_id = file.id, actor_id = origin.actor_id, source = origin.source, address = origin.address,
    calling_ae_title = origin.calling_ae_title, intake_source_id = origin.intake_source_id,
    sent_for_kind = origin.sent_for_kind, sent_for_id = origin.sent_for_id
FROM archive_instance instance
JOIN archive_quarantinedfile file
    ON file.archive_id = instance.archive_id AND file.digest = instance.digest AND file.state = 'released'
JOIN archive_delivery origin ON origin.id = file.delivery_id
WHERE instance.delivery_id = delivery.id AND delivery.source = 'upload' AND delivery.admission <> ''
    AND delivery.intake_source_id IS NULL AND delivery.actor_id = file.decided_by_id
    AND delivery.id <> origin.id AND delivery.opened_at >= origin.opened_at
"""


def keep_senders(apps, schema_editor):
    """Deliveries remember for whom they were sent; those that released a file, who had sent it."""
    with all_tenants(), schema_editor.connection.cursor() as cursor:
        cursor.execute(SENT_FOR)
        cursor.execute(RELEASES)
        # Changes of a table that still has unfired constraint triggers are refused later in the same transaction.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


class Migration(migrations.Migration):
    dependencies = [("archive", "0009_intake")]

    operations = [
        migrations.RemoveConstraint(model_name="intakesource", name="intake_source_once"),
        migrations.AddField(
            model_name="intakesource",
            name="ended_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="intakesource",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("archive", "kind", "calling_ae_title", "network", "user", "role"),
                name="intake_source_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AlterField(
            model_name="quarantinedfile",
            name="state",
            field=models.CharField(
                choices=[
                    ("kept", "Kept"),
                    ("releasing", "Being stored"),
                    ("released", "Stored later"),
                    ("discarded", "Discarded"),
                ],
                default="kept",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="quarantinedfile",
            name="study_instance_uid",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
        migrations.AddIndex(
            model_name="quarantinedfile",
            index=models.Index(
                condition=models.Q(("state", "releasing")), fields=["decided_at"], name="quarantine_releasing"
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="sent_for_kind",
            field=models.CharField(blank=True, db_default="", max_length=64),
        ),
        migrations.AddField(
            model_name="delivery",
            name="sent_for_id",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="delivery",
            name="release_of",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="releases",
                to="archive.quarantinedfile",
            ),
        ),
        migrations.RunPython(keep_senders, migrations.RunPython.noop),
    ]
