from __future__ import annotations

from typing import Any

from django.db import migrations

from core.tenancy import all_tenants

FORBID = """
CREATE FUNCTION teaching_images_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the images of a published version are never changed';
END
$$;
CREATE TRIGGER teaching_images_are_final BEFORE UPDATE OR DELETE ON teaching_versionseries
    FOR EACH ROW EXECUTE FUNCTION teaching_images_are_final();
"""
ALLOW = """
DROP TRIGGER teaching_images_are_final ON teaching_versionseries;
DROP FUNCTION teaching_images_are_final();
"""

# What came after a version was published cannot be told from what was there: the versions keep what they show today.
PIN = """
INSERT INTO teaching_versionseries (organisation_id, version_id, series_id, images, pinned_at)
SELECT shown.organisation_id, shown.version_id, image.series_id, array_agg(image.id ORDER BY image.id), clock_timestamp()
FROM teaching_versionstudy shown
JOIN archive_instance image ON image.study_id = shown.study_id
JOIN archive_series series ON series.id = image.series_id
WHERE image.number_of_frames > 0
  AND series.modality NOT IN
      ('SR', 'DOC', 'PR', 'KO', 'SEG', 'RTSTRUCT', 'RTPLAN', 'RTDOSE', 'REG', 'FID', 'RWV', 'ANN', 'PLAN')
  AND image.sop_class_uid NOT IN
      ('1.2.840.10008.5.1.4.1.1.66.4', '1.2.840.10008.5.1.4.1.1.66.7', '1.2.840.10008.5.1.4.1.1.481.2')
GROUP BY shown.organisation_id, shown.version_id, image.series_id
ON CONFLICT DO NOTHING
"""


def pin(apps: Any, schema_editor: Any) -> None:
    with all_tenants(), schema_editor.connection.cursor() as cursor:
        cursor.execute(PIN)


class Migration(migrations.Migration):
    dependencies = [("teaching", "0004_versions_pin_their_images")]

    operations = [
        migrations.RunSQL(sql=FORBID, reverse_sql=ALLOW),
        migrations.RunPython(pin, migrations.RunPython.noop),
    ]
