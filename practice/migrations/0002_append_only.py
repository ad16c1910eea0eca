from __future__ import annotations

from django.db import migrations

FORBID = """
CREATE FUNCTION practice_forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'committed answers and their scores are append-only';
END
$$;
CREATE TRIGGER practice_answer_append_only BEFORE UPDATE OR DELETE ON practice_answer
    FOR EACH ROW EXECUTE FUNCTION practice_forbid_change();
CREATE TRIGGER practice_score_append_only BEFORE UPDATE OR DELETE ON practice_score
    FOR EACH ROW EXECUTE FUNCTION practice_forbid_change();
"""

ALLOW = """
DROP TRIGGER practice_score_append_only ON practice_score;
DROP TRIGGER practice_answer_append_only ON practice_answer;
DROP FUNCTION practice_forbid_change();
"""


class Migration(migrations.Migration):
    dependencies = [("practice", "0001_initial")]

    operations = [migrations.RunSQL(sql=FORBID, reverse_sql=ALLOW)]
