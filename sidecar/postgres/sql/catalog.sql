-- What the live database has of the things that a contract names, as one JSON document.
--
-- $1: {"relations": [[key, schema|null, name, wants_indexes, wants_constraints, wants_sequences, wants_checks], ...],
--      "types":     [[key, schema|null, name, is_grammar, is_array], ...],
--      "enums", "functions", "sequences", "collations", "text_search_configurations":
--                   [[key, schema|null, name], ...],
--      "schemas":   [name, ...]}
--
-- What stands between "--? part" and "--." is left out where the contract has no use for it: planning the whole takes
-- the server longer than running it.
--
-- Every name is qualified, for the search_path in force is the application's. Nothing here waits for a lock
-- that a migration holds. A cast to name cuts to 63 bytes, as the server does with the application's statements.
WITH RECURSIVE
path AS MATERIALIZED (
    SELECT n.oid, p.place
    FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p(name, place)
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.name
),
wanted_relation AS MATERIALIZED (
    SELECT w->>0 AS key, (w->>1)::pg_catalog.name AS schema, (w->>2)::pg_catalog.name AS name,
           (w->>3)::pg_catalog.bool AS wants_indexes, (w->>4)::pg_catalog.bool AS wants_constraints,
           (w->>5)::pg_catalog.bool AS wants_sequences, (w->>6)::pg_catalog.bool AS wants_checks
    FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'relations') AS r(w)
),
candidate AS MATERIALIZED (
    SELECT w.key, w.wants_indexes, w.wants_constraints, w.wants_sequences, w.wants_checks,
           c.oid, n.oid AS schema_oid, n.nspname, c.relname, c.relkind, c.relispopulated, c.relrowsecurity,
           path.place,
           CASE WHEN w.schema IS NULL THEN path.place IS NOT NULL ELSE n.nspname = w.schema END AS is_match
    FROM wanted_relation AS w
    JOIN pg_catalog.pg_class AS c ON c.relname = w.name  -- an index of that name hides a table further down the path
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN path ON path.oid = n.oid
),
relation AS MATERIALIZED (
    SELECT DISTINCT ON (key) *,
           -- null means that the relation went away meanwhile: the reads that follow will tell
           COALESCE(pg_catalog.has_table_privilege(oid, 'SELECT'), true) AS can_select,
           COALESCE(pg_catalog.has_table_privilege(oid, 'INSERT'), true) AS can_insert,
           COALESCE(pg_catalog.has_table_privilege(oid, 'UPDATE'), true) AS can_update,
           COALESCE(pg_catalog.has_table_privilege(oid, 'DELETE'), true) AS can_delete,
           COALESCE(pg_catalog.has_table_privilege(oid, 'TRUNCATE'), true) AS can_truncate
    FROM candidate
    WHERE is_match
    ORDER BY key, place
),
--? inserts
wanted_sequence AS MATERIALIZED (
    SELECT DISTINCT ON (w->>0) w->>0 AS key, NULL::pg_catalog.oid AS relid, NULL::pg_catalog.int2 AS attnum,
           c.oid, n.nspname, c.relname, c.relpersistence, false AS is_identity
    FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'sequences') AS r(w)
    JOIN pg_catalog.pg_class AS c ON c.relname = (w->>2)::pg_catalog.name AND c.relkind = 'S'
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN path ON path.oid = n.oid
    WHERE CASE WHEN w->>1 IS NULL THEN path.place IS NOT NULL ELSE n.nspname = (w->>1)::pg_catalog.name END
    ORDER BY w->>0, path.place
),
drawn_sequence AS (
    -- a default depends on the sequences that it names; an identity column's own one depends on the column
    SELECT NULL::pg_catalog.text, r.oid, d.adnum, c.oid, n.nspname, c.relname, c.relpersistence, false
    FROM relation AS r
    JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = r.oid
    JOIN pg_catalog.pg_depend AS p ON p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND p.objid = d.oid
        AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_class AS c ON c.oid = p.refobjid AND c.relkind = 'S'
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE r.wants_sequences
    UNION ALL
    SELECT NULL, r.oid, p.refobjsubid, c.oid, n.nspname, c.relname, c.relpersistence, true
    FROM relation AS r
    JOIN pg_catalog.pg_depend AS p ON p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.refobjid = r.oid
        AND p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.deptype = 'i' AND p.refobjsubid > 0
    JOIN pg_catalog.pg_class AS c ON c.oid = p.objid AND c.relkind = 'S'
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE r.wants_sequences
),
sequence AS MATERIALIZED (
    SELECT d.key, d.relid, d.attnum, pg_catalog.json_build_array(
               d.nspname, d.relname,
               -- the server draws from an identity column's sequence itself, without asking for a privilege
               d.is_identity OR COALESCE(pg_catalog.has_sequence_privilege(d.oid, 'USAGE, UPDATE'), true),
               NOT s.seqcycle AND COALESCE(CASE
                   WHEN d.relpersistence = 'p' AND pg_catalog.has_sequence_privilege(d.oid, 'USAGE, SELECT')
                   THEN CASE WHEN s.seqincrement > 0
                        THEN pg_catalog.pg_sequence_last_value(d.oid) > s.seqmax - s.seqincrement
                        ELSE pg_catalog.pg_sequence_last_value(d.oid) < s.seqmin - s.seqincrement
                   END
               END, false)
           ) AS document
    FROM (SELECT * FROM wanted_sequence UNION ALL SELECT * FROM drawn_sequence) AS d
    JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = d.oid
),
--.
--? writes
view_base AS (
    -- The one table below a view that takes writes without a trigger or rule of its own: its rule depends on no other.
    SELECT r.key, r.oid, MIN(d.refobjid) AS base
    FROM relation AS r
    JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = r.oid AND w.rulename = '_RETURN'
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.oid
    WHERE r.relkind = 'v' AND r.wants_checks
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite AS o WHERE o.ev_class = r.oid AND o.rulename <> '_RETURN')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = r.oid AND t.tgtype & 64 <> 0)
    GROUP BY r.key, r.oid
    HAVING COUNT(DISTINCT d.refobjid) = 1
),
--.
attribute AS MATERIALIZED (
    SELECT r.key, a.attnum, a.atttypid,
           pg_catalog.json_build_array(
               a.attname, a.atttypid::pg_catalog.int8, pg_catalog.format_type(a.atttypid, a.atttypmod),
               a.attnotnull
--? writes
                   OR COALESCE(b.attnotnull, false)
--.
               , (a.atthasdef AND a.attgenerated = '')
--? writes
                   OR COALESCE(b.atthasdef OR b.attidentity <> '', false)
--.
               , a.attidentity, a.attgenerated,
               r.can_select OR COALESCE(pg_catalog.has_column_privilege(r.oid, a.attnum, 'SELECT'), true),
               r.can_insert OR COALESCE(pg_catalog.has_column_privilege(r.oid, a.attnum, 'INSERT'), true),
               r.can_update OR COALESCE(pg_catalog.has_column_privilege(r.oid, a.attnum, 'UPDATE'), true)
--? inserts
               , s.document
--.
           ) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid
--? writes
    -- what the one table below a view says of the column of that name
    LEFT JOIN view_base AS v ON v.key = r.key
    LEFT JOIN pg_catalog.pg_attribute AS b ON b.attrelid = v.base AND b.attname = a.attname AND b.attnum > 0
--.
--? inserts
    LEFT JOIN (
        SELECT DISTINCT ON (relid, attnum) relid, attnum, document FROM sequence WHERE relid IS NOT NULL
    ) AS s ON s.relid = r.oid AND s.attnum = a.attnum
--.
    WHERE a.attnum > 0 AND NOT a.attisdropped
),
relation_columns AS (
    SELECT key, pg_catalog.json_agg(document ORDER BY attnum) AS document FROM attribute GROUP BY key
),
--? writes
hidden_required AS (
    SELECT b.key, pg_catalog.json_agg(pg_catalog.json_build_array(n.nspname, c.relname, a.attname) ORDER BY a.attnum)
               AS document
    FROM view_base AS b
    JOIN pg_catalog.pg_class AS c ON c.oid = b.base AND c.relkind IN ('r', 'p')
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_rewrite AS w
          JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
              AND d.objid = w.oid AND d.refobjid = b.base AND d.refobjsubid = a.attnum
          WHERE w.ev_class = b.oid
      )
    GROUP BY b.key
),
--.
--? indexes
relation_indexes AS (
    SELECT r.key,
           pg_catalog.json_agg(pg_catalog.json_build_array(
               c.relname,
               COALESCE((
                   SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
                   FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                   WHERE k.place <= i.indnkeyatts
               ), '[]'),
               i.indexprs IS NOT NULL, i.indpred IS NOT NULL, i.indisvalid, i.indimmediate, i.indisunique,
               i.indisprimary
           ) ORDER BY c.relname) AS document
    FROM relation AS r
    LEFT JOIN view_base AS b USING (key)
    JOIN pg_catalog.pg_index AS i ON i.indrelid = COALESCE(b.base, r.oid)
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE r.wants_indexes
    GROUP BY r.key
),
--.
--? writes
caller AS (
    -- What the server computes for each row that is written, in the role's name.
    SELECT r.key, 'pg_catalog.pg_constraint'::pg_catalog.regclass AS class, c.oid AS object,
           pg_catalog.format('CHECK constraint %I', c.conname) AS words
    FROM relation AS r
    JOIN pg_catalog.pg_constraint AS c ON c.conrelid = r.oid AND c.contype = 'c'
    WHERE r.wants_checks
    UNION ALL
    SELECT r.key, 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid,
           pg_catalog.format('the CHECK %I of a domain', c.conname)
    FROM relation AS r
    JOIN attribute AS a USING (key)
    JOIN pg_catalog.pg_constraint AS c ON c.contypid = a.atttypid AND c.contype = 'c'
    WHERE r.wants_checks
    UNION ALL
    SELECT r.key, 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid, pg_catalog.format('index %I', c.relname)
    FROM relation AS r
    JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE r.wants_checks
    UNION ALL
    SELECT r.key, 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid,
           pg_catalog.format('generated column %I', a.attname)
    FROM relation AS r
    JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = r.oid
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = d.adnum AND a.attgenerated = 's'
    WHERE r.wants_checks
    UNION ALL
    -- before version 15, what a generated column is made of hangs on the column itself
    SELECT r.key, 'pg_catalog.pg_class'::pg_catalog.regclass, r.oid, 'a generated column'
    FROM relation AS r
    WHERE r.wants_checks AND EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = r.oid AND a.attgenerated = 's')
),
refused_functions AS (
    SELECT x.key, pg_catalog.json_agg(pg_catalog.json_build_array(x.name, x.words) ORDER BY x.name, x.words) AS document
    FROM (
        SELECT DISTINCT c.key, pg_catalog.format('%I.%I', n.nspname, f.proname) AS name, c.words
        FROM caller AS c
        JOIN pg_catalog.pg_depend AS d ON d.classid = c.class AND d.objid = c.object
            AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        JOIN pg_catalog.pg_proc AS f ON f.oid = d.refobjid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
        WHERE NOT COALESCE(pg_catalog.has_function_privilege(f.oid, 'EXECUTE'), true)
    ) AS x
    GROUP BY x.key
),
--.
--? constraints
relation_constraints AS (
    SELECT r.key,
           pg_catalog.json_agg(pg_catalog.json_build_array(
               c.conname, c.contype,
               COALESCE((
                   SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
                   FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = k.attnum
               ), '[]'),
               COALESCE(n.nspname, ''), COALESCE(t.relname, ''), c.condeferrable
           ) ORDER BY c.conname) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_constraint AS c ON c.conrelid = r.oid AND c.contype IN ('c', 'f', 'p', 'u', 'x')
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.confrelid
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    WHERE r.wants_constraints
      -- NOT ENFORCED is new in 18; the column is looked up by name because older servers have none
      AND COALESCE((pg_catalog.to_jsonb(c)->>'conenforced')::pg_catalog.bool, true)
      -- a foreign key to a partitioned table has a row of its own for each partition
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_constraint AS p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)
    GROUP BY r.key
),
--.
--? inserts
relation_triggers AS (
    -- tgtype: 1 for each row, 2 before, 4 insert, 64 instead of (pg_trigger.h)
    SELECT DISTINCT r.key
    FROM relation AS r
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 5 = 5 AND t.tgtype & 66 <> 0
),
--.
--? constraints
known_triggers AS (
    SELECT r.key,
           pg_catalog.json_agg(pg_catalog.json_build_array(
               t.tgname, t.tgtype & 4 <> 0, t.tgtype & 16 <> 0, t.tgtype & 8 <> 0, t.tgtype & 32 <> 0) ORDER BY t.tgname) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid
    WHERE r.wants_constraints AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
    GROUP BY r.key
),
--.
relation_policies AS (
    -- Without a permissive policy for the command, row security leaves nothing (documentation, "Row Security Policies").
    SELECT r.key, pg_catalog.json_agg(u.use ORDER BY u.use) AS document
    FROM relation AS r
    CROSS JOIN (VALUES ('select', 'r'), ('insert', 'a'), ('update', 'w'), ('delete', 'd')) AS u(use, command)
    WHERE r.relrowsecurity AND pg_catalog.row_security_active(r.oid)
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_policy AS p
          WHERE p.polrelid = r.oid AND p.polpermissive AND p.polcmd IN ('*', u.command::pg_catalog."char")
            AND EXISTS (
                SELECT FROM pg_catalog.unnest(p.polroles) AS x(role)
                WHERE x.role = 0 OR pg_catalog.pg_has_role(x.role, 'USAGE')
            )
      )
    GROUP BY r.key
),
wanted_type AS MATERIALIZED (
    SELECT w->>0 AS key, (w->>1)::pg_catalog.name AS schema, (w->>2)::pg_catalog.name AS name,
           (w->>3)::pg_catalog.bool AS is_grammar, (w->>4)::pg_catalog.bool AS is_array
    FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'types') AS r(w)
),
named_type AS MATERIALIZED (
    SELECT w.key, w.is_array,
           CASE WHEN w.is_grammar THEN pg_catalog.to_regtype(w.name::pg_catalog.text)::pg_catalog.oid ELSE (
               SELECT t.oid
               FROM pg_catalog.pg_type AS t
               LEFT JOIN path ON path.oid = t.typnamespace
               JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
               WHERE t.typname = w.name
                 AND CASE WHEN w.schema IS NULL THEN path.place IS NOT NULL ELSE n.nspname = w.schema END
               ORDER BY path.place
               LIMIT 1
           ) END AS oid
    FROM wanted_type AS w
),
resolved_type AS MATERIALIZED (
    SELECT w.key, CASE WHEN w.is_array THEN t.typarray ELSE t.oid END AS oid
    FROM named_type AS w
    JOIN pg_catalog.pg_type AS t ON t.oid = w.oid
),
--? enums
wanted_enum AS (
    SELECT DISTINCT ON (w->>0) w->>0 AS key, n.nspname, t.typname, t.typtype, t.oid
    FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'enums') AS r(w)
    JOIN pg_catalog.pg_type AS t ON t.typname = (w->>2)::pg_catalog.name
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    LEFT JOIN path ON path.oid = n.oid
    WHERE CASE WHEN w->>1 IS NULL THEN path.place IS NOT NULL ELSE n.nspname = (w->>1)::pg_catalog.name END
    ORDER BY w->>0, path.place
),
--.
--? functions
wanted_function AS MATERIALIZED (
    SELECT w->>0 AS key, n.nspname, p.oid, p.prokind, p.proargtypes, p.pronargdefaults, p.provariadic,
           p.prorettype, p.proretset, n.oid AS schema_oid,
           CASE WHEN w->>1 IS NULL THEN path.place IS NOT NULL
                ELSE n.nspname = (w->>1)::pg_catalog.name END AS is_visible
    FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'functions') AS r(w)
    JOIN pg_catalog.pg_proc AS p ON p.proname = (w->>2)::pg_catalog.name
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    LEFT JOIN path ON path.oid = n.oid
),
--.
used_type(oid) AS (
    SELECT atttypid FROM attribute
    UNION
    SELECT oid FROM resolved_type WHERE oid <> 0
--? functions
    UNION
    SELECT prorettype FROM wanted_function WHERE is_visible
--.
    UNION
    SELECT below.oid
    FROM used_type AS u
    JOIN pg_catalog.pg_type AS t ON t.oid = u.oid
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS below(oid)
    WHERE below.oid <> 0
)
SELECT pg_catalog.json_build_object(
    'database', pg_catalog.json_build_object(
        'name', pg_catalog.current_database(),
        'role', current_user,
        'server_version', pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1),
        'server_version_num', pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
        'is_standby', pg_catalog.pg_is_in_recovery(),
        'search_path', pg_catalog.current_setting('search_path'),
        'is_read_only', pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool,
--? session
        -- what a session of the role begins with; the values in force are our own
        'statement_timeout_ms', (
            SELECT g.reset_val::pg_catalog.int8 FROM pg_catalog.pg_settings AS g WHERE g.name = 'statement_timeout'),
        'lock_timeout_ms', (
            SELECT g.reset_val::pg_catalog.int8 FROM pg_catalog.pg_settings AS g WHERE g.name = 'lock_timeout'),
--.
        'can_create_temporary', pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')
    ),
    'schemas', COALESCE((
        SELECT pg_catalog.json_object_agg(n.nspname, pg_catalog.has_schema_privilege(n.oid, 'USAGE'))
        FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname IN (
            SELECT s.name::pg_catalog.name
            FROM pg_catalog.jsonb_array_elements_text(($1::pg_catalog.jsonb)->'schemas') AS s(name)
        )
    ), '{}'),
    'relations', COALESCE((
        SELECT pg_catalog.json_object_agg(r.key, pg_catalog.json_build_object(
            'oid', r.oid::pg_catalog.int8,
            'schema', r.nspname,
            'name', r.relname,
            'kind', r.relkind,
            'is_populated', r.relispopulated,
            'can_use_schema', COALESCE(pg_catalog.has_schema_privilege(r.schema_oid, 'USAGE'), true),
            'can_select', r.can_select,
            'can_insert', r.can_insert,
            'can_update', r.can_update,
            'can_delete', r.can_delete,
            'can_truncate', r.can_truncate,
            'has_partitions', r.relkind <> 'p' OR EXISTS (
                SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = r.oid),
            'denied_by_policy', COALESCE(p.document, '[]'),
--? inserts
            'fills_on_insert', t.key IS NOT NULL,
--.
--? indexes
            'indexes', COALESCE(i.document, '[]'),
--.
--? constraints
            'constraints', COALESCE(s.document, '[]'),
            'triggers', COALESCE(k.document, '[]'),
--.
--? writes
            'refused_functions', COALESCE(f.document, '[]'),
            'hidden_required', COALESCE(h.document, '[]'),
--.
            'columns', COALESCE(c.document, '[]')
        ))
        FROM relation AS r
        LEFT JOIN relation_columns AS c USING (key)
--? indexes
        LEFT JOIN relation_indexes AS i USING (key)
--.
--? constraints
        LEFT JOIN relation_constraints AS s USING (key)
        LEFT JOIN known_triggers AS k USING (key)
--.
--? inserts
        LEFT JOIN relation_triggers AS t USING (key)
--.
--? writes
        LEFT JOIN refused_functions AS f USING (key)
        LEFT JOIN hidden_required AS h USING (key)
--.
        LEFT JOIN relation_policies AS p USING (key)
    ), '{}'),
    'type_oids', COALESCE((
        SELECT pg_catalog.json_object_agg(key, oid::pg_catalog.int8) FROM resolved_type WHERE oid <> 0
    ), '{}'),
    'types', COALESCE((
        SELECT pg_catalog.json_object_agg(t.oid, pg_catalog.json_build_array(
            n.nspname, t.typname, t.typtype,
            CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN t.typelem::pg_catalog.int8 ELSE 0 END,
            t.typbasetype::pg_catalog.int8,
            CASE WHEN t.typbasetype <> 0 THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) ELSE '' END,
            t.typnotnull,
            COALESCE((SELECT pg_catalog.json_agg(c.conname ORDER BY c.conname)
                      FROM pg_catalog.pg_constraint AS c WHERE c.contypid = t.oid AND c.contype = 'c'), '[]'),
            t.typdefault IS NOT NULL
        ))
        FROM used_type AS u
        JOIN pg_catalog.pg_type AS t ON t.oid = u.oid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    ), '{}'),
--? enums
    'enums', COALESCE((
        SELECT pg_catalog.json_object_agg(e.key, pg_catalog.json_build_object(
            'schema', e.nspname,
            'name', e.typname,
            'kind', e.typtype,
            'labels', COALESCE((
                SELECT pg_catalog.json_agg(l.enumlabel ORDER BY l.enumsortorder)
                FROM pg_catalog.pg_enum AS l
                WHERE l.enumtypid = e.oid
            ), '[]')
        ))
        FROM wanted_enum AS e
    ), '{}'),
--.
--? functions
    'functions', COALESCE((
        SELECT pg_catalog.json_object_agg(f.key, f.document)
        FROM (
            SELECT f.key, pg_catalog.json_agg(pg_catalog.json_build_array(
                f.nspname, f.prokind,
                COALESCE((SELECT pg_catalog.json_agg(a.oid::pg_catalog.int8 ORDER BY a.place)
                          FROM pg_catalog.unnest(f.proargtypes::pg_catalog.oid[]) WITH ORDINALITY AS a(oid, place)),
                         '[]'),
                f.pronargdefaults, f.provariadic <> 0,
                COALESCE(pg_catalog.has_function_privilege(f.oid, 'EXECUTE'), true),
                COALESCE(pg_catalog.has_schema_privilege(f.schema_oid, 'USAGE'), true),
                f.is_visible, f.prorettype::pg_catalog.int8, f.proretset
            ) ORDER BY f.nspname, f.oid) AS document
            FROM wanted_function AS f
            GROUP BY f.key
        ) AS f
    ), '{}'),
--.
--? inserts
    'sequences', COALESCE((
        SELECT pg_catalog.json_object_agg(q.key, q.document) FROM sequence AS q WHERE q.key IS NOT NULL
    ), '{}'),
--.
--? text
    'collations', COALESCE((
        SELECT pg_catalog.json_agg(DISTINCT w->>0)
        FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'collations') AS r(w)
        JOIN pg_catalog.pg_collation AS c ON c.collname = (w->>2)::pg_catalog.name
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
        LEFT JOIN path ON path.oid = n.oid
        WHERE CASE WHEN w->>1 IS NULL THEN path.place IS NOT NULL ELSE n.nspname = (w->>1)::pg_catalog.name END
    ), '[]'),
    'text_search_configurations', COALESCE((
        SELECT pg_catalog.json_agg(DISTINCT w->>0)
        FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'text_search_configurations') AS r(w)
        JOIN pg_catalog.pg_ts_config AS c ON c.cfgname = (w->>2)::pg_catalog.name
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.cfgnamespace
        LEFT JOIN path ON path.oid = n.oid
        WHERE CASE WHEN w->>1 IS NULL THEN path.place IS NOT NULL ELSE n.nspname = (w->>1)::pg_catalog.name END
    ), '[]'),
--.
--? elsewhere
    'elsewhere', COALESCE((
        SELECT pg_catalog.json_object_agg(e.key, e.document)
        FROM (
            SELECT c.key, pg_catalog.json_agg(pg_catalog.json_build_array(
                       c.nspname, pg_catalog.has_schema_privilege(c.schema_oid, 'USAGE')) ORDER BY c.nspname) AS document
            FROM candidate AS c
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS (SELECT FROM relation AS r WHERE r.key = c.key)
            GROUP BY c.key
        ) AS e
    ), '{}'),
    'types_elsewhere', COALESCE((
        SELECT pg_catalog.json_object_agg(e.key, e.document)
        FROM (
            SELECT w.key, pg_catalog.json_agg(pg_catalog.json_build_array(
                       n.nspname, pg_catalog.has_schema_privilege(n.oid, 'USAGE')) ORDER BY n.nspname) AS document
            FROM (
                SELECT key, name FROM wanted_type WHERE NOT is_grammar
                UNION
                SELECT w->>0, (w->>2)::pg_catalog.name
                FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'enums') AS r(w)
            ) AS w
            JOIN pg_catalog.pg_type AS t ON t.typname = w.name
            JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
            WHERE NOT EXISTS (SELECT FROM resolved_type AS r WHERE r.key = w.key)
              AND NOT EXISTS (SELECT FROM wanted_enum AS r WHERE r.key = w.key)
            GROUP BY w.key
        ) AS e
    ), '{}'),
    'near', pg_catalog.json_build_object(
        -- A rename is guessed from these, and only a missing name makes the server look for them.
        'relations', COALESCE((
            SELECT pg_catalog.json_agg(DISTINCT c.relname)
            FROM wanted_relation AS w
            JOIN pg_catalog.pg_class AS c ON c.relkind IN ('r', 'p', 'v', 'm', 'f')
                AND pg_catalog.abs(pg_catalog.length(c.relname::pg_catalog.text) -
                                   pg_catalog.length(w.name::pg_catalog.text)) <= 8
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            LEFT JOIN path ON path.oid = n.oid
            WHERE NOT EXISTS (SELECT FROM relation AS r WHERE r.key = w.key)
              AND CASE WHEN w.schema IS NULL THEN path.place IS NOT NULL AND n.nspname <> 'pg_catalog'
                       ELSE n.nspname = w.schema END
        ), '[]'),
        'functions', COALESCE((
            SELECT pg_catalog.json_agg(DISTINCT p.proname)
            FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'functions') AS r(w)
            JOIN pg_catalog.pg_proc AS p ON pg_catalog.abs(
                pg_catalog.length(p.proname::pg_catalog.text) - pg_catalog.length(w->>2)) <= 8
            JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
            LEFT JOIN path ON path.oid = n.oid
            WHERE NOT EXISTS (SELECT FROM wanted_function AS f WHERE f.key = w->>0 AND f.is_visible)
              AND CASE WHEN w->>1 IS NULL THEN path.place IS NOT NULL AND n.nspname <> 'pg_catalog'
                       ELSE n.nspname = (w->>1)::pg_catalog.name END
        ), '[]'),
        'types', COALESCE((
            SELECT pg_catalog.json_agg(DISTINCT t.typname)
            FROM (
                SELECT key, schema, name FROM wanted_type WHERE NOT is_grammar
                UNION
                SELECT w->>0, (w->>1)::pg_catalog.name, (w->>2)::pg_catalog.name
                FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'enums') AS r(w)
            ) AS w
            JOIN pg_catalog.pg_type AS t ON t.typtype IN ('b', 'd', 'e', 'r') AND t.typelem = 0
            JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
            LEFT JOIN path ON path.oid = n.oid
            WHERE NOT EXISTS (SELECT FROM resolved_type AS r WHERE r.key = w.key)
              AND NOT EXISTS (SELECT FROM wanted_enum AS r WHERE r.key = w.key)
              AND CASE WHEN w.schema IS NULL THEN path.place IS NOT NULL AND n.nspname <> 'pg_catalog'
                       ELSE n.nspname = w.schema END
        ), '[]')
    ),
--.
    'extensions', COALESCE((
        SELECT pg_catalog.json_object_agg(e.extname, e.extversion) FROM pg_catalog.pg_extension AS e
    ), '{}')
)::pg_catalog.text
