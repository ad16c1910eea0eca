#!/bin/sh
# Run once by the database image: the application's role is no superuser and cannot pass row-level security.
# It owns neither database nor schema, so that it cannot drop the audit trail; `migrate` makes the trail's own role.
# LIKE and upper() may use an index behind it (docs/security.md, "Words behind the wall").
set -eu
# psql reads the password by itself: an argument could be read by everybody who sees the list of processes.
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set password `cat /run/secrets/database-password`
CREATE ROLE pacsweb LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'password';
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE pacsweb TO pacsweb;
GRANT USAGE, CREATE ON SCHEMA public TO pacsweb;
ALTER FUNCTION pg_catalog.textlike(text, text) LEAKPROOF;
ALTER FUNCTION pg_catalog.upper(text) LEAKPROOF;
SQL
