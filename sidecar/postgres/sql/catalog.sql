-- What the live database has of the things that a contract names, as one JSON document.
--
-- $1: {"relations": [[key, schema|null, name, wants_indexes], ...],
--      "types":     [[key, schema|null, name, is_grammar, is_array], ...],
--      "enums":     [[key, schema|null, name], ...],
--      "functions": [[key, schema|null, name], ...],
--      "schemas":   [name, ...]}
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
           (w->>3)::pg_catalog.bool AS wants_indexes
    FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'relations') AS r(w)
),
candidate AS MATERIALIZED (
    SELECT w.key, w.wants_indexes, c.oid, n.oid AS schema_oid, n.nspname, c.relname, c.relkind, c.relispopulated,
           path.place,
           CASE WHEN w.schema IS NULL THEN path.place IS NOT NULL ELSE n.nspname = w.schema END AS is_match
    FROM wanted_relation AS w
    JOIN pg_catalog.pg_class AS c ON c.relname = w.name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN path ON path.oid = n.oid
),
relation AS MATERIALIZED (
    SELECT DISTINCT ON (key) *,
           -- null means that the relation went away meanwhile: the reads that follow will tell
           COALESCE(pg_catalog.has_table_privilege(oid, 'SELECT'), true) AS can_select,
           COALESCE(pg_catalog.has_table_privilege(oid, 'INSERT'), true) AS can_insert,
           COALESCE(pg_catalog.has_table_privilege(oid, 'UPDATE'), true) AS can_update,
           COALESCE(pg_catalog.has_table_privilege(oid, 'DELETE'), true) AS can_delete
    FROM candidate
    WHERE is_match
    ORDER BY key, place
),
attribute AS MATERIALIZED (
    SELECT r.key, a.attnum, a.atttypid,
           pg_catalog.json_build_array(
               a.attname, a.atttypid::pg_catalog.int8, pg_catalog.format_type(a.atttypid, a.atttypmod),
               a.attnotnull, a.atthasdef AND a.attgenerated = '', a.attidentity, a.attgenerated,
               r.can_select OR COALESCE(pg_catalog.has_column_privilege(r.oid, a.attnum, 'SELECT'), true),
               r.can_insert OR COALESCE(pg_catalog.has_column_privilege(r.oid, a.attnum, 'INSERT'), true),
               r.can_update OR COALESCE(pg_catalog.has_column_privilege(r.oid, a.attnum, 'UPDATE'), true)
           ) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
),
relation_columns AS (
    SELECT key, pg_catalog.json_agg(document ORDER BY attnum) AS document FROM attribute GROUP BY key
),
relation_indexes AS (
    SELECT r.key,
           pg_catalog.json_agg(pg_catalog.json_build_array(
               c.relname,
               COALESCE((
                   SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
                   FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = k.attnum
                   WHERE k.place <= i.indnkeyatts
               ), '[]'),
               i.indexprs IS NOT NULL, i.indpred IS NOT NULL, i.indisvalid, i.indimmediate
           ) ORDER BY c.relname) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid AND i.indisunique
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE r.wants_indexes
    GROUP BY r.key
),
relation_triggers AS (
    -- tgtype: 1 for each row, 2 before, 4 insert, 64 instead of (pg_trigger.h)
    SELECT DISTINCT r.key
    FROM relation AS r
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 5 = 5 AND t.tgtype & 66 <> 0
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
wanted_enum AS (
    SELECT DISTINCT ON (w->>0) w->>0 AS key, n.nspname, t.typname, t.typtype, t.oid
    FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'enums') AS r(w)
    JOIN pg_catalog.pg_type AS t ON t.typname = (w->>2)::pg_catalog.name
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    LEFT JOIN path ON path.oid = n.oid
    WHERE CASE WHEN w->>1 IS NULL THEN path.place IS NOT NULL ELSE n.nspname = (w->>1)::pg_catalog.name END
    ORDER BY w->>0, path.place
),
wanted_function AS MATERIALIZED (
    SELECT w->>0 AS key, n.nspname, p.oid, p.prokind, p.proargtypes, p.pronargdefaults, p.provariadic,
           n.oid AS schema_oid,
           CASE WHEN w->>1 IS NULL THEN path.place IS NOT NULL
                ELSE n.nspname = (w->>1)::pg_catalog.name END AS is_visible
    FROM pg_catalog.jsonb_array_elements(($1::pg_catalog.jsonb)->'functions') AS r(w)
    JOIN pg_catalog.pg_proc AS p ON p.proname = (w->>2)::pg_catalog.name
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    LEFT JOIN path ON path.oid = n.oid
),
used_type(oid) AS (
    SELECT atttypid FROM attribute
    UNION
    SELECT oid FROM resolved_type WHERE oid <> 0
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
        'search_path', pg_catalog.current_setting('search_path')
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
            'fills_on_insert', t.key IS NOT NULL,
            'columns', COALESCE(c.document, '[]'),
            'unique_indexes', COALESCE(i.document, '[]')
        ))
        FROM relation AS r
        LEFT JOIN relation_columns AS c USING (key)
        LEFT JOIN relation_indexes AS i USING (key)
        LEFT JOIN relation_triggers AS t USING (key)
    ), '{}'),
    'elsewhere', COALESCE((
        SELECT pg_catalog.json_object_agg(e.key, e.document)
        FROM (
            SELECT c.key, pg_catalog.json_agg(pg_catalog.json_build_array(
                       c.nspname, pg_catalog.has_schema_privilege(c.schema_oid, 'USAGE')) ORDER BY c.nspname) AS document
            FROM candidate AS c
            WHERE NOT EXISTS (SELECT FROM relation AS r WHERE r.key = c.key)
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
    'type_oids', COALESCE((
        SELECT pg_catalog.json_object_agg(key, oid::pg_catalog.int8) FROM resolved_type WHERE oid <> 0
    ), '{}'),
    'types', COALESCE((
        SELECT pg_catalog.json_object_agg(t.oid, pg_catalog.json_build_array(
            n.nspname, t.typname, t.typtype,
            CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN t.typelem::pg_catalog.int8 ELSE 0 END,
            t.typbasetype::pg_catalog.int8,
            CASE WHEN t.typbasetype <> 0 THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) ELSE '' END,
            t.typnotnull
        ))
        FROM used_type AS u
        JOIN pg_catalog.pg_type AS t ON t.oid = u.oid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    ), '{}'),
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
                f.is_visible
            ) ORDER BY f.nspname, f.oid) AS document
            FROM wanted_function AS f
            GROUP BY f.key
        ) AS f
    ), '{}'),
    'extensions', COALESCE((
        SELECT pg_catalog.json_object_agg(e.extname, e.extversion) FROM pg_catalog.pg_extension AS e
    ), '{}')
)::pg_catalog.text
