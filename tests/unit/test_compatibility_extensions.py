from sidecar.compatibility.extensions import missing_extensions
from tests.unit.builders import catalog, contract


def test_an_extension_that_is_not_installed_is_found() -> None:
    """Each missing extension is told with the statement that installs it."""
    found = list(missing_extensions(contract(extensions=("vector", "uuid-ossp")), catalog()))
    assert [("extension-missing", "vector", None), ("extension-missing", '"uuid-ossp"', None)] == [
        (finding.code, finding.object, finding.sqlstate) for finding in found
    ]
    assert 'extension "uuid-ossp" is not installed in this database' == found[1].message
    assert 'CREATE EXTENSION "uuid-ossp";' == found[1].help


def test_any_version_and_further_extensions_pass() -> None:
    """An installed extension is enough, whatever its version and its neighbours."""
    assert [] == list(
        missing_extensions(contract(extensions=("vector",)), catalog(extensions={"vector": "9", "x": "1"}))
    )
