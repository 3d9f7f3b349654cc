"""The realtime server's schema and contract: small, and with one of everything that the contract can name."""

from pathlib import Path

SCHEMA = """
CREATE SCHEMA billing;
CREATE TYPE permission_type AS ENUM ('admin', 'write', 'read');
CREATE TABLE workflow (
    id text PRIMARY KEY,
    name varchar(100) NOT NULL,
    color text NOT NULL DEFAULT '#3972F6',
    run_count integer NOT NULL DEFAULT 0,
    variables json,
    updated_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE permissions (
    id text PRIMARY KEY,
    user_id text NOT NULL,
    entity_id text NOT NULL,
    permission_type permission_type NOT NULL,
    UNIQUE (user_id, entity_id)
);
CREATE TABLE billing.invoice (id bigint PRIMARY KEY, amount numeric(10, 2) NOT NULL, tags text[]);
CREATE VIEW active AS SELECT id, name FROM workflow;
CREATE FUNCTION label(prefix text, number integer DEFAULT 1) RETURNS text LANGUAGE sql AS 'SELECT prefix || number';
GRANT USAGE ON SCHEMA public, billing TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON workflow, permissions TO {role};
GRANT SELECT ON billing.invoice, active TO {role};
"""

CONTRACT = """\
contract: 1
name: realtime
source: {kind: hand, migration: 0226_before}
relations:
  workflow:
    use: [select, insert, update, delete]
    columns:
      id: text
      name: varchar(100)
      color: text
      run_count: {type: int, use: [select, update]}
      variables: {type: json, nullable: true}
      updated_at: timestamp
  permissions:
    use: [select, insert, update]
    columns: {id: text, user_id: text, entity_id: text, permission_type: permission_type}
    upserts: [[entity_id, user_id]]
  billing.invoice:
    columns: {id: int8, amount: "numeric(10, 2)", tags: "text[]"}
  active:
    columns: [id, name]
enums:
  permission_type: [read, admin]
functions: [now(), label(text), "public.label(text, int4)", upper]
extensions: [plpgsql]
queries:
  authorize-connection: SELECT id, color FROM workflow WHERE id = $1 LIMIT 1 -- the incident
""".replace("columns: [id, name]", "columns: {id: text, name: varchar}")


def write_contract(tmp_path: Path, text: str = CONTRACT) -> str:
    """Write a contract file and return its path."""
    path = tmp_path / "contract.yaml"
    path.write_text(text)
    return str(path)
