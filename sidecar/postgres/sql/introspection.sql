-- What the live database has in the wanted schemas, as one JSON document: for making a contract from it.
--
-- $1: {"schemas": [name, ...] or null for all but the server's own, "migration_tables": [name, ...]}
--
-- Left out: what belongs to extensions, and partitions, which statements reach through the table that they are of.
-- Every name is qualified, for the search_path in force is the application's. Nothing here waits for a lock
-- that a migration holds.
WITH RECURSIVE
schema AS MATERIALIZED (
    SELECT n.oid, n.nspname, COALESCE(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), true) AS can_use
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
),
wanted AS MATERIALIZED (
    SELECT s.*
    FROM schema AS s
    WHERE pg_catalog.jsonb_typeof(($1::pg_catalog.jsonb)->'schemas') = 'null' OR s.nspname IN (
        SELECT w.name::pg_catalog.name
        FROM pg_catalog.jsonb_array_elements_text(
            CASE WHEN pg_catalog.jsonb_typeof(($1::pg_catalog.jsonb)->'schemas') = 'array'
                 THEN ($1::pg_catalog.jsonb)->'schemas' ELSE '[]' END
        ) AS w(name)
    )
),
member AS MATERIALIZED (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d WHERE d.deptype = 'e'
),
relation AS MATERIALIZED (
    SELECT c.oid, s.nspname, c.relname, c.relkind, c.relrowsecurity, s.can_use,
           -- null means that the relation went away meanwhile
           COALESCE(pg_catalog.has_table_privilege(c.oid, 'SELECT'), true) AS can_select,
           COALESCE(pg_catalog.has_table_privilege(c.oid, 'INSERT'), true) AS can_insert,
           COALESCE(pg_catalog.has_table_privilege(c.oid, 'UPDATE'), true) AS can_update,
           COALESCE(pg_catalog.has_table_privilege(c.oid, 'DELETE'), true) AS can_delete
    FROM wanted AS s
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = s.oid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND NOT EXISTS (
          SELECT FROM member AS m WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.objid = c.oid)
),
attribute AS MATERIALIZED (
    SELECT r.oid, a.attnum, a.atttypid,
           pg_catalog.json_build_array(
               a.attname, a.atttypid::pg_catalog.int8, pg_catalog.format_type(a.atttypid, a.atttypmod),
               a.attnotnull, a.attidentity, a.attgenerated,
               r.can_select OR COALESCE(pg_catalog.has_column_privilege(r.oid, a.attnum, 'SELECT'), true),
               r.can_insert OR COALESCE(pg_catalog.has_column_privilege(r.oid, a.attnum, 'INSERT'), true),
               r.can_update OR COALESCE(pg_catalog.has_column_privilege(r.oid, a.attnum, 'UPDATE'), true)
           ) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
),
relation_columns AS (
    SELECT oid, pg_catalog.json_agg(document ORDER BY attnum) AS document FROM attribute GROUP BY oid
),
relation_indexes AS (
    SELECT r.oid,
           pg_catalog.json_agg(pg_catalog.json_build_array(
               c.relname,
               COALESCE((
                   SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
                   FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                   WHERE k.place <= i.indnkeyatts
               ), '[]'),
               i.indexprs IS NOT NULL, i.indpred IS NOT NULL, i.indisunique, i.indisvalid,
               -- new in 15; looked up by name because older servers have none
               i.indisunique AND COALESCE(
                   (pg_catalog.to_jsonb(i)->>'indnullsnotdistinct')::pg_catalog.bool, false)
           ) ORDER BY c.relname) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_index AS i ON i.indrelid = r.oid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE NOT i.indisprimary AND NOT (i.indisexclusion AND NOT i.indisunique)
    GROUP BY r.oid
),
relation_constraints AS (
    SELECT r.oid,
           pg_catalog.json_agg(pg_catalog.json_build_array(
               c.conname, c.contype,
               COALESCE((
                   SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
                   FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum = k.attnum
               ), '[]'),
               COALESCE(n.nspname, ''), COALESCE(t.relname, ''),
               COALESCE(pg_catalog.pg_table_is_visible(t.oid), false)
           ) ORDER BY c.conname, n.nspname, t.relname) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_constraint AS c ON c.conrelid = r.oid AND c.contype IN ('c', 'f', 'x')
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.confrelid
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    -- NOT ENFORCED is new in 18
    WHERE COALESCE((pg_catalog.to_jsonb(c)->>'conenforced')::pg_catalog.bool, true)
      -- a foreign key to a partitioned table has a row for each of its partitions, too
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_constraint AS p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)
    GROUP BY r.oid
),
relation_triggers AS (
    SELECT r.oid, pg_catalog.json_agg(t.tgname ORDER BY t.tgname) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
    GROUP BY r.oid
),
relation_policies AS (
    SELECT r.oid, pg_catalog.json_agg(p.polname ORDER BY p.polname) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_policy AS p ON p.polrelid = r.oid
    GROUP BY r.oid
),
relation_rules AS (
    SELECT r.oid, pg_catalog.json_agg(w.rulename ORDER BY w.rulename) AS document
    FROM relation AS r
    JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = r.oid
    WHERE w.rulename <> '_RETURN' AND w.ev_enabled <> 'D'
    GROUP BY r.oid
),
relation_denied AS (
    -- Without a permissive policy for the command, row security leaves nothing (documentation, "Row Security Policies").
    SELECT r.oid, pg_catalog.json_agg(u.use ORDER BY u.use) AS document
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
    GROUP BY r.oid
),
function AS MATERIALIZED (
    SELECT p.oid, s.nspname, s.can_use, p.proname, p.proretset, p.prorettype,
           CASE WHEN p.prokind = 'a' AND g.aggkind <> 'n' THEN 'o' ELSE p.prokind END AS kind,
           -- a variadic argument is given element by element
           ARRAY(
               SELECT CASE WHEN p.provariadic <> 0 AND a.place = p.pronargs THEN p.provariadic ELSE a.oid END
               FROM pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) WITH ORDINALITY AS a(oid, place)
               ORDER BY a.place
           ) AS arguments
    FROM wanted AS s
    JOIN pg_catalog.pg_proc AS p ON p.pronamespace = s.oid
    LEFT JOIN pg_catalog.pg_aggregate AS g ON g.aggfnoid = p.oid
    -- what is called by triggers alone is known by the triggers' names
    WHERE p.prorettype NOT IN (
              'pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
      AND NOT EXISTS (
          SELECT FROM member AS m WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND m.objid = p.oid)
      -- a range type makes its constructors itself
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_depend AS d
          WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'i')
),
own_type AS MATERIALIZED (
    SELECT t.oid, s.nspname, t.typname, t.typtype, t.typrelid, s.can_use
    FROM wanted AS s
    JOIN pg_catalog.pg_type AS t ON t.typnamespace = s.oid
    WHERE t.typtype IN ('c', 'e')
      AND NOT EXISTS (
          SELECT FROM member AS m WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND m.objid = t.oid)
),
used_type(oid) AS (
    SELECT atttypid FROM attribute
    UNION
    SELECT prorettype FROM function
    UNION
    SELECT a.oid FROM function AS f CROSS JOIN pg_catalog.unnest(f.arguments) AS a(oid)
    UNION
    SELECT below.oid
    FROM used_type AS u
    JOIN pg_catalog.pg_type AS t ON t.oid = u.oid
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS below(oid)
    WHERE below.oid <> 0
)
SELECT pg_catalog.json_build_object(
    'database', pg_catalog.current_database(),
    'role', current_user,
    'schemas', COALESCE((SELECT pg_catalog.json_agg(w.nspname ORDER BY w.nspname) FROM wanted AS w), '[]'),
    'other_schemas', COALESCE((
        SELECT pg_catalog.json_agg(s.nspname ORDER BY s.nspname)
        FROM schema AS s
        WHERE s.oid NOT IN (SELECT w.oid FROM wanted AS w)
    ), '[]'),
    'relations', COALESCE((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'schema', r.nspname,
            'name', r.relname,
            'kind', r.relkind,
            'is_visible', COALESCE(pg_catalog.pg_table_is_visible(r.oid), true),
            'can_use', r.can_use,
            'can_delete', r.can_delete,
            'denied_by_policy', COALESCE(d.document, '[]'),
            'has_partitions', r.relkind <> 'p' OR EXISTS (
                SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = r.oid),
            'columns', COALESCE(c.document, '[]'),
            'indexes', COALESCE(i.document, '[]'),
            'constraints', COALESCE(k.document, '[]'),
            'triggers', COALESCE(t.document, '[]'),
            'policies', COALESCE(p.document, '[]'),
            'rules', COALESCE(w.document, '[]')
        ) ORDER BY r.nspname, r.relname)
        FROM relation AS r
        LEFT JOIN relation_columns AS c USING (oid)
        LEFT JOIN relation_indexes AS i USING (oid)
        LEFT JOIN relation_constraints AS k USING (oid)
        LEFT JOIN relation_triggers AS t USING (oid)
        LEFT JOIN relation_policies AS p USING (oid)
        LEFT JOIN relation_rules AS w USING (oid)
        LEFT JOIN relation_denied AS d USING (oid)
    ), '[]'),
    'types', COALESCE((
        SELECT pg_catalog.json_object_agg(t.oid, pg_catalog.json_build_array(
            n.nspname, t.typname, t.typtype,
            CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN t.typelem::pg_catalog.int8 ELSE 0 END,
            t.typbasetype::pg_catalog.int8,
            t.typnotnull,
            COALESCE((SELECT pg_catalog.json_agg(c.conname ORDER BY c.conname)
                      FROM pg_catalog.pg_constraint AS c WHERE c.contypid = t.oid AND c.contype = 'c'), '[]'),
            COALESCE(pg_catalog.pg_type_is_visible(t.oid), true)
        ))
        FROM used_type AS u
        JOIN pg_catalog.pg_type AS t ON t.oid = u.oid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    ), '{}'),
    'enums', COALESCE((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            t.nspname, t.typname, COALESCE(pg_catalog.pg_type_is_visible(t.oid), true), t.can_use,
            COALESCE((
                SELECT pg_catalog.json_agg(l.enumlabel ORDER BY l.enumsortorder)
                FROM pg_catalog.pg_enum AS l
                WHERE l.enumtypid = t.oid
            ), '[]')
        ) ORDER BY t.nspname, t.typname)
        FROM own_type AS t
        WHERE t.typtype = 'e'
    ), '[]'),
    'composites', COALESCE((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            t.nspname, t.typname, COALESCE(pg_catalog.pg_type_is_visible(t.oid), true), t.can_use
        ) ORDER BY t.nspname, t.typname)
        FROM own_type AS t
        JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid AND c.relkind = 'c'
    ), '[]'),
    'functions', COALESCE((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            f.nspname, f.proname, COALESCE(pg_catalog.pg_function_is_visible(f.oid), true), f.kind,
            (SELECT COALESCE(pg_catalog.json_agg(a.oid::pg_catalog.int8 ORDER BY a.place), '[]')
             FROM pg_catalog.unnest(f.arguments) WITH ORDINALITY AS a(oid, place)),
            f.prorettype::pg_catalog.int8, f.proretset,
            f.can_use AND COALESCE(pg_catalog.has_function_privilege(f.oid, 'EXECUTE'), true)
        ) ORDER BY f.nspname, f.proname, f.oid)
        FROM function AS f
    ), '[]'),
    'sequences', COALESCE((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            s.nspname, c.relname, COALESCE(pg_catalog.pg_table_is_visible(c.oid), true),
            s.can_use AND COALESCE(pg_catalog.has_sequence_privilege(c.oid, 'USAGE, UPDATE'), true)
        ) ORDER BY s.nspname, c.relname)
        FROM wanted AS s
        JOIN pg_catalog.pg_class AS c ON c.relnamespace = s.oid AND c.relkind = 'S'
        WHERE NOT EXISTS (
            -- a: a serial column's, or OWNED BY; i: an identity column's; e: an extension's
            SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
              AND (d.deptype = 'e' OR (d.deptype IN ('a', 'i') AND d.refobjsubid > 0
                  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass))
        )
    ), '[]'),
    'extensions', COALESCE((
        SELECT pg_catalog.json_agg(e.extname ORDER BY e.extname)
        FROM pg_catalog.pg_extension AS e
        WHERE pg_catalog.jsonb_typeof(($1::pg_catalog.jsonb)->'schemas') = 'null'
           OR e.extnamespace IN (SELECT w.oid FROM wanted AS w)
    ), '[]'),
    'collations', COALESCE((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            s.nspname, c.collname, COALESCE(pg_catalog.pg_collation_is_visible(c.oid), true), s.can_use
        ) ORDER BY s.nspname, c.collname)
        FROM wanted AS s
        JOIN pg_catalog.pg_collation AS c ON c.collnamespace = s.oid
        WHERE NOT EXISTS (
            SELECT FROM member AS m
            WHERE m.classid = 'pg_catalog.pg_collation'::pg_catalog.regclass AND m.objid = c.oid)
    ), '[]'),
    'text_search_configurations', COALESCE((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            s.nspname, c.cfgname, COALESCE(pg_catalog.pg_ts_config_is_visible(c.oid), true), s.can_use
        ) ORDER BY s.nspname, c.cfgname)
        FROM wanted AS s
        JOIN pg_catalog.pg_ts_config AS c ON c.cfgnamespace = s.oid
        WHERE NOT EXISTS (
            SELECT FROM member AS m
            WHERE m.classid = 'pg_catalog.pg_ts_config'::pg_catalog.regclass AND m.objid = c.oid)
    ), '[]'),
    'migration_tables', COALESCE((
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            s.nspname, c.relname, COALESCE(pg_catalog.pg_table_is_visible(c.oid), true),
            s.can_use AND COALESCE(pg_catalog.has_table_privilege(c.oid, 'SELECT'), true)
        ) ORDER BY s.nspname, c.relname)
        FROM schema AS s
        JOIN pg_catalog.pg_class AS c ON c.relnamespace = s.oid AND c.relkind IN ('r', 'p')
        WHERE c.relname IN (
            SELECT t.name::pg_catalog.name
            FROM pg_catalog.jsonb_array_elements_text(($1::pg_catalog.jsonb)->'migration_tables') AS t(name)
        )
    ), '[]')
)::pg_catalog.text
