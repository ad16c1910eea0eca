from __future__ import annotations

from django.db import migrations

# An event's number comes from the sequence and from nowhere else, or a forged event could take one that looks old. Not
# GENERATED ALWAYS: OVERRIDING SYSTEM VALUE and COPY pass that. The function runs with its owner's rights, because the
# application's role may not read the sequence. A restore makes triggers after the rows are in.
OWN_NUMBERS = """
CREATE FUNCTION audit_keep_number() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.id IS DISTINCT FROM currval(pg_get_serial_sequence('public.audit_event', 'id')) THEN
        RAISE EXCEPTION 'the number of an event is given by the database';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_event_numbered BEFORE INSERT ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_keep_number();
"""
ANY_NUMBERS = """
DROP TRIGGER audit_event_numbered ON audit_event;
DROP FUNCTION audit_keep_number();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_stamps_and_heads")]

    operations = [migrations.RunSQL(sql=OWN_NUMBERS, reverse_sql=ANY_NUMBERS)]
