"""Reads the catalog: one query, one JSON document, decoded straight into the model."""

import re
from importlib.resources import files
from typing import NamedTuple

import msgspec

from sidecar.compatibility.matching import names_of, types_of, unresolved_types
from sidecar.identifiers import display_path
from sidecar.model import Catalog, Contract, ContractRelation, Disposition, Failure, Name, Phase, Use
from sidecar.postgres.failures import AttemptError
from sidecar.postgres.session import Session

_SOURCE = files("sidecar.postgres").joinpath("sql/catalog.sql").read_text(encoding="utf-8")
_PART = re.compile(r"^--\? (\w+)\n(.*?)^--\.\n", re.MULTILINE | re.DOTALL)
PARTS = frozenset(name for name, _ in _PART.findall(_SOURCE))
"""The parts of the query that can be left out."""
_DECODER = msgspec.json.Decoder(Catalog)


async def read_catalog(session: Session, contract: Contract) -> Catalog:
    """Return what the database has of the things that ``contract`` names.

    Raises:
        AttemptError: the server could not be asked; never because something is missing.
    """
    catalog = await _read(session, contract, _parts(contract))
    if _lacks(
        contract, catalog
    ):  # asked again for guesses and hiding schemas, which a passing attempt does not pay for
        catalog = await _read(session, contract, PARTS)
    database = msgspec.structs.replace(catalog.database, host=session.host, port=session.port)
    return msgspec.structs.replace(catalog, database=database)


def query_of(parts: frozenset[str]) -> str:
    """Return the catalog query with those of its optional parts."""
    return _PART.sub(lambda match: match[2] if match[1] in parts else "", _SOURCE)


def _parts(contract: Contract) -> frozenset[str]:
    """Return the parts that matter to the contract."""
    relations = contract.relations
    indexes = any(wants.indexes for wants in map(_wanted, relations))
    timeouts = contract.session.statement_timeout_s, contract.session.lock_timeout_s
    needed = {
        "indexes": indexes,
        "constraints": any(wants.constraints for wants in map(_wanted, relations)),
        "inserts": bool(contract.sequences) or any(Use.INSERT in relation.use for relation in relations),
        # the indexes of a view are those of the table below it, which belongs to the writes
        "writes": indexes or any(relation.writes for relation in relations),
        "enums": bool(contract.enums),
        "functions": bool(contract.functions),
        "text": bool(contract.collations or contract.text_search_configurations),
        "session": any(timeout is not None for timeout in timeouts),
    }
    return frozenset(part for part, is_needed in needed.items() if is_needed)


def _lacks(contract: Contract, catalog: Catalog) -> bool:
    """True if a relation, type, enum or function of the contract is not where its name leads."""
    return (
        any(str(relation.name) not in catalog.relations for relation in contract.relations)
        or any(True for _ in unresolved_types(contract, catalog))
        or any(str(enum.name) not in catalog.enums for enum in contract.enums)
        or any(
            not any(candidate.is_visible for candidate in catalog.functions.get(str(function.name), ()))
            for function in contract.functions
        )
    )


async def _read(session: Session, contract: Contract, parts: frozenset[str]) -> Catalog:
    document = await session.fetch_text(query_of(parts), Phase.CATALOG, _request(contract))
    try:
        return _DECODER.decode(document or "")
    except msgspec.DecodeError as error:
        failure = Failure(
            phase=Phase.CATALOG,
            disposition=Disposition.UNDETERMINED,
            reason="catalog not understood",
            message=str(error),
        )
        raise AttemptError(failure) from error


def _request(contract: Contract) -> str:
    """Return the query's argument: the names that the contract uses, as its comment lays them out."""
    request = {
        "relations": [[*_named(r.name), *_wanted(r)] for r in contract.relations],
        "types": [[t.key, t.schema, t.name, t.is_grammar, t.is_array] for t in types_of(contract)],
        "enums": [_named(e.name) for e in contract.enums],
        "functions": [_named(name) for name in {f.name: None for f in contract.functions}],
        "sequences": [_named(name) for name in contract.sequences],
        "collations": [_named(name) for name in contract.collations],
        "text_search_configurations": [_named(name) for name in contract.text_search_configurations],
        "schemas": sorted({name.schema for name in names_of(contract) if name.schema is not None}),
    }
    return msgspec.json.encode(request).decode()


class _Wanted(NamedTuple):
    """What of a relation matters to its contract, in the order of the query's argument."""

    indexes: bool
    constraints: bool
    sequences: bool
    checks: bool


def _wanted(relation: ContractRelation) -> _Wanted:
    return _Wanted(
        indexes=bool(relation.upserts or relation.indexes or relation.constraints),
        constraints=relation.constraints is not None or any(upsert.constraint for upsert in relation.upserts),
        sequences=Use.INSERT in relation.use,
        checks=bool(relation.writes),
    )


def _named(name: Name) -> list[str | None]:
    return [display_path(name.schema, name.name), name.schema, name.name]
