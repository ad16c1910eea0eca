#!/bin/sh
# Run once by the database image: the application's role is no superuser and cannot pass row-level security.
# LIKE and upper() may use an index behind it (docs/security.md, "Words behind the wall").
set -eu
password=$(cat /run/secrets/database-password)
psql --set ON_ERROR_STOP=1 --set password="$password" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE pacsweb LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'password';
ALTER DATABASE pacsweb OWNER TO pacsweb;
GRANT ALL ON SCHEMA public TO pacsweb;
ALTER FUNCTION pg_catalog.textlike(text, text) LEAKPROOF;
ALTER FUNCTION pg_catalog.upper(text) LEAKPROOF;
SQL
