-- The schema that the image example/realtime:1.0.0 was written against, and the role that it connects as.
-- migration.yaml runs it with psql, in one transaction: nobody sees half of it. It may run again.

\getenv password REALTIME_PASSWORD

SELECT 'CREATE ROLE realtime LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'realtime') \gexec
ALTER ROLE realtime PASSWORD :'password';

SELECT $$CREATE TYPE permission_type AS ENUM ('admin', 'write', 'read')$$
WHERE to_regtype('permission_type') IS NULL \gexec

CREATE TABLE IF NOT EXISTS workflow (
    id text PRIMARY KEY,
    name text NOT NULL,
    color text NOT NULL DEFAULT '#3972F6',
    updated_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS permissions (
    id text PRIMARY KEY,
    user_id text NOT NULL,
    entity_id text NOT NULL,
    permission_type permission_type NOT NULL
);
CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY);
INSERT INTO schema_migrations VALUES ('20261101090000'), ('20261114090000') ON CONFLICT DO NOTHING;

-- No more than its statements need.
GRANT SELECT, UPDATE ON workflow TO realtime;
GRANT SELECT ON permissions, schema_migrations TO realtime;

-- Something to look at.
INSERT INTO workflow (id, name) VALUES ('first', 'The first workflow') ON CONFLICT DO NOTHING;
INSERT INTO permissions VALUES ('1', 'ada', 'first', 'write') ON CONFLICT DO NOTHING;
