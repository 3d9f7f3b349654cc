"""Reads the catalog: one query, one JSON document, decoded straight into the model."""

from importlib.resources import files

import msgspec

from sidecar.compatibility.matching import names_of, types_of
from sidecar.identifiers import display_path
from sidecar.model import Catalog, Contract, ContractRelation, Disposition, Failure, Name, Phase, Use
from sidecar.postgres.failures import AttemptError
from sidecar.postgres.session import Session

_QUERY = files("sidecar.postgres").joinpath("sql/catalog.sql").read_text(encoding="utf-8")
_DECODER = msgspec.json.Decoder(Catalog)


async def read_catalog(session: Session, contract: Contract) -> Catalog:
    """Return what the database has of the things that ``contract`` names.

    Raises:
        AttemptError: the server could not be asked; never because something is missing.
    """
    document = await session.fetch_text(_QUERY, Phase.CATALOG, _request(contract))
    try:
        catalog = _DECODER.decode(document or "")
    except msgspec.DecodeError as error:
        failure = Failure(
            phase=Phase.CATALOG,
            disposition=Disposition.UNDETERMINED,
            reason="catalog not understood",
            message=str(error),
        )
        raise AttemptError(failure) from error
    database = msgspec.structs.replace(catalog.database, host=session.host, port=session.port)
    return msgspec.structs.replace(catalog, database=database)


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


def _wanted(relation: ContractRelation) -> list[bool]:
    """Return whether the indexes, constraints, sequences and checks of a relation matter to its contract."""
    indexes = bool(relation.upserts or relation.indexes or relation.constraints)
    constraints = relation.constraints is not None or any(upsert.constraint for upsert in relation.upserts)
    return [indexes, constraints, Use.INSERT in relation.use, bool(relation.writes)]


def _named(name: Name) -> list[str | None]:
    return [display_path(name.schema, name.name), name.schema, name.name]
