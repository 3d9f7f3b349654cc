"""Every kind of finding: its stable code, severity and SQLSTATE, and the words that explain it.

``sidecar explain`` and ``config/RULES.md`` are made from this table.
"""

import msgspec

from sidecar.model import Finding, Severity


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of finding. ``code`` is stable: alerts and acceptances are written against it."""

    code: str
    severity: Severity = Severity.ERROR
    sqlstate: str | None = None
    """What the application would get; None where it gets no error, or one that depends."""
    summary: str
    """The problem, in one sentence."""
    shows: str
    """How it shows at run time, if the image is rolled out nevertheless."""
    mend: str
    """What to do."""
    passes_by_itself: bool = False
    """Nobody has to change the schema: the attempt is repeated instead of failing the preflight."""

    def at(
        self,
        object_: str,
        message: str,
        help_: str,
        *,
        severity: Severity | None = None,
        sqlstate: str | None = None,
    ) -> Finding:
        """Return a finding of this kind.

        Args:
            object_: the object, qualified, as PostgreSQL would write it.
            message: one sentence naming the object.
            help_: the mend.
            severity: overrides the kind's own where the circumstances soften it.
            sqlstate: overrides the kind's own where it depends.
        """
        return Finding(
            code=self.code,
            severity=severity or self.severity,
            object=object_,
            message=message,
            help=help_,
            sqlstate=sqlstate or self.sqlstate,
        )


_MIGRATE_OR_ROLL = (
    "If the database is behind the image, run the migrations. If a migration removed it, roll out an image that no"
    " longer uses it."
)

SCHEMA_MISSING = Code(
    code="schema-missing",
    sqlstate="3F000",
    summary="A schema that the image names does not exist.",
    shows="Every statement that names a relation in it fails with 42P01, every call or type in it with 3F000.",
    mend=_MIGRATE_OR_ROLL,
)
SCHEMA_PRIVILEGE_MISSING = Code(
    code="schema-privilege-missing",
    sqlstate="42501",
    summary="The role has no USAGE on a schema that the image needs.",
    shows="Qualified names fail with 42501; names found through the search_path fail with 42P01, as if they were gone.",
    mend="GRANT USAGE ON SCHEMA … TO the application's role.",
)
RELATION_MISSING = Code(
    code="relation-missing",
    sqlstate="42P01",
    summary="A table or view that the image uses does not exist where its statements look for it.",
    shows="Every statement on it fails with 42P01. The message tells a relation of that name in another schema (the"
    " search_path of the role or the database may have changed) and the nearest name (it may have been renamed).",
    mend=_MIGRATE_OR_ROLL,
)
RELATION_REPLACED = Code(
    code="relation-replaced",
    sqlstate="42809",
    summary="A name that the image uses for a table leads to something else.",
    shows="Statements on it fail with 42809, or with 42703 where it is a sequence. An index or a sequence of the same"
    " name in a schema earlier on the search_path does this, and so does TRUNCATE of what is a view now.",
    mend="Take the other object out of the way, or qualify the name in the image's statements.",
)
RELATION_PRIVILEGE_MISSING = Code(
    code="relation-privilege-missing",
    sqlstate="42501",
    summary="The role lacks a privilege on a table or view that the image uses.",
    shows="Statements of that kind fail with 42501. Often the relation was dropped and made anew without its grants.",
    mend="GRANT what the message names, and set ALTER DEFAULT PRIVILEGES for the role that migrates.",
)
RELATION_NOT_POPULATED = Code(
    code="relation-not-populated",
    sqlstate="55000",
    summary="A materialized view that the image reads has no data yet.",
    shows="Reads fail with 55000 until it has been refreshed. Not ready yet, not broken: the preflight tries again"
    " until its deadline.",
    mend="REFRESH MATERIALIZED VIEW …",
    passes_by_itself=True,
)
COLUMN_MISSING = Code(
    code="column-missing",
    sqlstate="42703",
    summary="A column that the image names does not exist.",
    shows="Every statement that names it fails with 42703; an ORM that selects whole rows fails on each read of the"
    " relation. A sub-query may silently take a column of that name from the outer query instead.",
    mend=_MIGRATE_OR_ROLL,
)
COLUMN_PRIVILEGE_MISSING = Code(
    code="column-privilege-missing",
    sqlstate="42501",
    summary="The role lacks a privilege on a column that the image uses.",
    shows="Statements that name the column fail with 42501; the message names the whole relation.",
    mend="GRANT the privilege on the column, or on the relation.",
)
COLUMN_TYPE_CHANGED = Code(
    code="column-type-changed",
    summary="A column's type does not hold what the image reads or writes.",
    shows="Depends on the types: 42804 or 42883 when a statement is planned, 22P02, 22003 or 22001 for single values,"
    " or no error at all: shifted times, numbers that arrive as text.",
    mend="Roll out the image that was built for the new type, or change the type back. Where the image takes several"
    " types, list them in the contract (type: [json, jsonb]).",
)
COLUMN_NOT_NULL = Code(
    code="column-not-null",
    sqlstate="23502",
    summary="The image writes NULL to a column that refuses it.",
    shows="Each INSERT or UPDATE that leaves the column NULL fails with 23502.",
    mend="ALTER TABLE … ALTER COLUMN … DROP NOT NULL, or roll out an image that always gives a value.",
)
COLUMN_NULLABLE = Code(
    code="column-nullable",
    severity=Severity.WARNING,
    summary="A reader relies on a value in a column that may now hold NULL.",
    shows="No error of the database; the application meets a NULL where its types say that there is none.",
    mend="Check that the image's readers take NULL, or put the NOT NULL back.",
)
REQUIRED_COLUMN_UNWRITTEN = Code(
    code="required-column-unwritten",
    sqlstate="23502",
    summary="The database demands a value that the image's INSERT does not give.",
    shows="Every INSERT fails with 23502. A NOT NULL column without a default does this, also through a domain.",
    mend="Give the column a default until every image that does not write it is gone.",
)
GENERATED_COLUMN_WRITTEN = Code(
    code="generated-column-written",
    sqlstate="428C9",
    summary="The image writes a column that the database computes.",
    shows="Every INSERT or UPDATE that names the column fails with 428C9.",
    mend="Roll out an image that leaves the column out (in the contract: use: [select] on the column).",
)
IDENTITY_COLUMN_WRITTEN = Code(
    code="identity-column-written",
    sqlstate="428C9",
    summary="The image writes a GENERATED ALWAYS identity column.",
    shows="Every INSERT or UPDATE that names the column fails with 428C9.",
    mend="ALTER TABLE … ALTER COLUMN … SET GENERATED BY DEFAULT, or roll out an image that leaves the column out.",
)
UPSERT_TARGET_MISSING = Code(
    code="upsert-target-missing",
    sqlstate="42P10",
    summary="No unique index fits an ON CONFLICT clause.",
    shows="Every such INSERT fails with 42P10, conflict or not. The index may be gone, INVALID, partial, on an"
    " expression, or on more columns since the table was partitioned.",
    mend="CREATE UNIQUE INDEX CONCURRENTLY on exactly what the clause names.",
)
UPSERT_TARGET_DEFERRABLE = Code(
    code="upsert-target-deferrable",
    sqlstate="55000",
    summary="A unique constraint that an ON CONFLICT clause leads to is DEFERRABLE.",
    shows="Every such INSERT fails with 55000 when it runs; a plan of it shows nothing.",
    mend="Make the constraint NOT DEFERRABLE.",
)
UPSERT_TARGET_EXCLUDING = Code(
    code="upsert-target-excluding",
    sqlstate="42809",
    summary="ON CONFLICT … DO UPDATE names an exclusion constraint.",
    shows="Every such INSERT fails with 42809: an exclusion constraint takes DO NOTHING only.",
    mend="Put the unique constraint back, or roll out an image that does nothing on a conflict.",
)
UPSERT_CONSTRAINT_MISSING = Code(
    code="upsert-constraint-missing",
    sqlstate="42704",
    summary="ON CONFLICT ON CONSTRAINT names a constraint that does not exist.",
    shows="Every such INSERT fails with 42704. Renaming the constraint does this, and so does replacing it by a plain"
    " unique index.",
    mend="ALTER TABLE … ADD CONSTRAINT … UNIQUE USING INDEX …, or name the columns in the image's statement.",
)
PARTITION_MISSING = Code(
    code="partition-missing",
    sqlstate="23514",
    summary="A partitioned table that the image inserts into has no partition.",
    shows="Every INSERT fails with 23514: no partition of relation found for row.",
    mend="Create the partitions, or a default partition.",
)
ROW_SECURITY_DENIES = Code(
    code="row-security-denies",
    summary="Row security is on, and no policy lets the role see or change any row.",
    shows="No error: SELECT finds nothing, UPDATE and DELETE change nothing. Only INSERT fails, with 42501.",
    mend="CREATE POLICY … for the role, or take it off row security.",
)
VIEW_NOT_UPDATABLE = Code(
    code="view-not-updatable",
    sqlstate="55000",
    summary="The image writes to a view that cannot be written to.",
    shows="Every such statement fails with 55000. A join, an aggregate or DISTINCT in the view does this.",
    mend="Make the view simple again, or give it an INSTEAD OF trigger.",
)
CONSTRAINT_ADDED = Code(
    code="constraint-added",
    severity=Severity.WARNING,
    summary="The database refuses more than it did when the image was built.",
    shows="Writes that violate the constraint fail: 23514 for a CHECK (of a domain too), 23503 for a foreign key, 23505"
    " for a unique index, 23P01 for an exclusion constraint. Whether the image writes such values, no one can tell.",
    mend="Check what the image writes; then add the constraint to the contract.",
)
TRIGGER_ADDED = Code(
    code="trigger-added",
    severity=Severity.WARNING,
    summary="A trigger fires on the image's writes that was not there when the image was built.",
    shows="Anything: a trigger may raise an error, change the row, or make the statement do nothing.",
    mend="Check what the trigger does to the image's writes; then add it to the contract.",
)
INDEX_MISSING = Code(
    code="index-missing",
    severity=Severity.WARNING,
    summary="An index that the image needs to be fast does not exist.",
    shows="No error; statements slow down, until they meet a timeout.",
    mend="CREATE INDEX CONCURRENTLY …",
)
TYPE_MISSING = Code(
    code="type-missing",
    sqlstate="42704",
    summary="A type that the image names does not exist.",
    shows="Every cast to it fails with 42704. Where the columns that held an enum are text now, statements with"
    " untyped parameters still work: a warning then.",
    mend=_MIGRATE_OR_ROLL,
)
ENUM_LABEL_MISSING = Code(
    code="enum-label-missing",
    sqlstate="22P02",
    summary="An enum lacks a label that the image uses.",
    shows="A literal fails with 22P02 when its statement is planned, a parameter when the value is sent.",
    mend="ALTER TYPE … ADD VALUE …, or roll out an image that does not use the label.",
)
ENUM_REPLACED = Code(
    code="enum-replaced",
    sqlstate="42804",
    summary="A type that the image uses as an enum is something else.",
    shows="Assignments fail with 42804, comparisons with 42883.",
    mend=_MIGRATE_OR_ROLL,
)
FUNCTION_MISSING = Code(
    code="function-missing",
    sqlstate="42883",
    summary="A function that the image calls does not exist, or takes other arguments.",
    shows="Every statement that calls it fails with 42883.",
    mend=_MIGRATE_OR_ROLL,
)
FUNCTION_REPLACED = Code(
    code="function-replaced",
    sqlstate="42809",
    summary="A function that the image calls is now a procedure.",
    shows="Every statement that calls it as a function fails with 42809.",
    mend=_MIGRATE_OR_ROLL,
)
FUNCTION_RESULT_CHANGED = Code(
    code="function-result-changed",
    summary="A function returns another type than the image expects, or rows where it expects one value.",
    shows="No error of the database; the application decodes something else than it was compiled for.",
    mend="Roll out the image that was built for the new result, or put the function back.",
)
FUNCTION_PRIVILEGE_MISSING = Code(
    code="function-privilege-missing",
    sqlstate="42501",
    summary="The role has no EXECUTE on a function that the image calls, or that its writes make the server call.",
    shows="Every statement that calls it fails with 42501; where a CHECK, index or generated column calls it, every"
    " write to the table.",
    mend="GRANT EXECUTE ON FUNCTION … TO the application's role.",
)
EXTENSION_MISSING = Code(
    code="extension-missing",
    summary="An extension that the image needs is not installed in the database.",
    shows="What comes with it is gone: 42883 for its functions and operators, 42704 for its types.",
    mend="CREATE EXTENSION …",
)
SEQUENCE_MISSING = Code(
    code="sequence-missing",
    sqlstate="42P01",
    summary="A sequence that the image draws from does not exist.",
    shows="Every nextval() of it fails with 42P01.",
    mend=_MIGRATE_OR_ROLL,
)
SEQUENCE_PRIVILEGE_MISSING = Code(
    code="sequence-privilege-missing",
    sqlstate="42501",
    summary="The role may not draw from a sequence that the image needs, itself or through a column's default.",
    shows="Every INSERT that leaves the column to its default fails with 42501; a plan of it shows nothing.",
    mend="GRANT USAGE ON SEQUENCE … TO the application's role, or make the column an identity column.",
)
SEQUENCE_EXHAUSTED = Code(
    code="sequence-exhausted",
    sqlstate="2200H",
    summary="A sequence that the image draws from has reached its end.",
    shows="Every INSERT that draws from it fails with 2200H.",
    mend="ALTER SEQUENCE … AS bigint MAXVALUE …, and widen the column that takes its values.",
)
COLLATION_MISSING = Code(
    code="collation-missing",
    sqlstate="42704",
    summary="A collation that the image names does not exist.",
    shows="Every statement that names it fails with 42704.",
    mend=_MIGRATE_OR_ROLL,
)
TEXT_SEARCH_CONFIGURATION_MISSING = Code(
    code="text-search-configuration-missing",
    sqlstate="42704",
    summary="A text search configuration that the image names does not exist.",
    shows="Every to_tsvector() or to_tsquery() with it fails with 42704.",
    mend=_MIGRATE_OR_ROLL,
)
SERVER_READ_ONLY = Code(
    code="server-read-only",
    sqlstate="25006",
    summary="The image writes, and the server or the role's sessions are read-only.",
    shows="Every write fails with 25006. A standby that is about to be promoted passes; the preflight tries again until"
    " its deadline.",
    mend="Let DATABASE_URL lead to the primary (target_session_attrs=read-write with several hosts), or take"
    " default_transaction_read_only off the role or the database.",
    passes_by_itself=True,
)
TIMEOUT_TOO_SHORT = Code(
    code="timeout-too-short",
    severity=Severity.WARNING,
    sqlstate="57014",
    summary="The role's sessions begin with a shorter timeout than the image needs.",
    shows="Its longer statements are cancelled with 57014 (55P03 for lock_timeout).",
    mend="ALTER ROLE … SET statement_timeout = …, or let the image set its own.",
)
TEMPORARY_TABLES_REFUSED = Code(
    code="temporary-tables-refused",
    sqlstate="42501",
    summary="The image makes temporary tables, and the role may not.",
    shows="CREATE TEMPORARY TABLE fails with 42501.",
    mend="GRANT TEMPORARY ON DATABASE … TO the application's role.",
)
READ_REFUSED = Code(
    code="read-refused",
    summary="The server refuses to read the columns that the image reads.",
    shows="The image's SELECTs fail with the SQLSTATE that the finding tells.",
    mend="The server's own words say what is wrong: often something that the view or a policy is made of.",
)
WRITE_REFUSED = Code(
    code="write-refused",
    summary="The server refuses to plan a write that the image issues.",
    shows="The image's writes fail with the SQLSTATE that the finding tells.",
    mend="The server's own words say what is wrong: often a rule, a privilege, or a publication without a replica"
    " identity.",
)
CALL_REFUSED = Code(
    code="call-refused",
    summary="The server refuses to plan a call of a function.",
    shows="The image's calls fail with the SQLSTATE that the finding tells: 42883 for changed argument types, 42725 for"
    " an overload that makes the call ambiguous.",
    mend="Compare the function's live signatures (\\df) with what the image calls.",
)
QUERY_REFUSED = Code(
    code="query-refused",
    summary="The server refuses one of the image's own queries.",
    shows="The query fails with the SQLSTATE that the finding tells.",
    mend="The server's own words say what is wrong; where another finding tells the same object, mend that first.",
)
NOT_CHECKED = Code(
    code="not-checked",
    severity=Severity.WARNING,
    summary="A statement could not be judged without running it for real.",
    shows="Unknown: a function that writes, a setting that only the application makes, a row that took too long.",
    mend="Nothing to mend in the schema; this one is not covered by the check.",
)
ACCEPTANCE_UNUSED = Code(
    code="acceptance-unused",
    severity=Severity.WARNING,
    summary="The contract accepts a finding that is not there.",
    shows="Nothing yet; but the acceptance would hide the finding if it came up later for another reason.",
    mend="Take the acceptance out of the contract.",
)

ALL: tuple[Code, ...] = (
    SCHEMA_MISSING,
    SCHEMA_PRIVILEGE_MISSING,
    RELATION_MISSING,
    RELATION_REPLACED,
    RELATION_PRIVILEGE_MISSING,
    RELATION_NOT_POPULATED,
    COLUMN_MISSING,
    COLUMN_PRIVILEGE_MISSING,
    COLUMN_TYPE_CHANGED,
    COLUMN_NOT_NULL,
    COLUMN_NULLABLE,
    REQUIRED_COLUMN_UNWRITTEN,
    GENERATED_COLUMN_WRITTEN,
    IDENTITY_COLUMN_WRITTEN,
    UPSERT_TARGET_MISSING,
    UPSERT_TARGET_DEFERRABLE,
    UPSERT_TARGET_EXCLUDING,
    UPSERT_CONSTRAINT_MISSING,
    PARTITION_MISSING,
    ROW_SECURITY_DENIES,
    VIEW_NOT_UPDATABLE,
    CONSTRAINT_ADDED,
    TRIGGER_ADDED,
    INDEX_MISSING,
    TYPE_MISSING,
    ENUM_LABEL_MISSING,
    ENUM_REPLACED,
    FUNCTION_MISSING,
    FUNCTION_REPLACED,
    FUNCTION_RESULT_CHANGED,
    FUNCTION_PRIVILEGE_MISSING,
    EXTENSION_MISSING,
    SEQUENCE_MISSING,
    SEQUENCE_PRIVILEGE_MISSING,
    SEQUENCE_EXHAUSTED,
    COLLATION_MISSING,
    TEXT_SEARCH_CONFIGURATION_MISSING,
    SERVER_READ_ONLY,
    TIMEOUT_TOO_SHORT,
    TEMPORARY_TABLES_REFUSED,
    READ_REFUSED,
    WRITE_REFUSED,
    CALL_REFUSED,
    QUERY_REFUSED,
    NOT_CHECKED,
    ACCEPTANCE_UNUSED,
)
"""All kinds, in the order of the reference."""
BY_CODE: dict[str, Code] = {code.code: code for code in ALL}
