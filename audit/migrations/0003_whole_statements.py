from __future__ import annotations

from django.db import migrations

# A second line behind the rights of the application's role (audit/ownership.py). The triggers for each row say nothing of
# TRUNCATE, nor of an UPDATE that finds no row.
FORBID = """
CREATE TRIGGER audit_event_never_emptied BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_forbid_change();
CREATE TRIGGER audit_chainlink_never_emptied BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_chainlink
    FOR EACH STATEMENT EXECUTE FUNCTION audit_forbid_change();
"""

ALLOW = """
DROP TRIGGER audit_chainlink_never_emptied ON audit_chainlink;
DROP TRIGGER audit_event_never_emptied ON audit_event;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]

    operations = [migrations.RunSQL(sql=FORBID, reverse_sql=ALLOW)]
