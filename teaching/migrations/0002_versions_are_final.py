from __future__ import annotations

from django.db import migrations

# The search column is derived from the content and may be computed anew; everything else stays as published.
FORBID = """
CREATE FUNCTION teaching_version_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (to_jsonb(OLD) - 'learner_search') IS DISTINCT FROM (to_jsonb(NEW) - 'learner_search') THEN
        RAISE EXCEPTION 'a published version of a case is never changed';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER teaching_version_is_final BEFORE UPDATE OR DELETE ON teaching_caseversion
    FOR EACH ROW EXECUTE FUNCTION teaching_version_is_final();
"""

ALLOW = """
DROP TRIGGER teaching_version_is_final ON teaching_caseversion;
DROP FUNCTION teaching_version_is_final();
"""


class Migration(migrations.Migration):
    dependencies = [("teaching", "0001_initial")]

    operations = [migrations.RunSQL(sql=FORBID, reverse_sql=ALLOW)]
