import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.backoff import Backoff
from sidecar.settings import ListenAddress, Settings, SettingsError, Values, fields, load_settings

URL = "postgresql://u:canary-S3cr3t@h/d"
BASE = {"DATABASE_URL": URL, "SIDECAR_CONTRACT": "/c.yaml"}


def load(environ: dict[str, str] | None = None, **flags: str | None) -> Settings:
    return load_settings(BASE | (environ or {}), flags)


def problems_of(environ: dict[str, str], flags: dict[str, str | None] | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, flags or {})
    assert "canary" not in str(caught.value)
    return caught.value.problems


def test_the_defaults() -> None:
    """Without more than a contract and a database, the documented defaults are in force."""
    settings = load()
    assert Values(contract="/c.yaml") == settings.values
    assert (ListenAddress(host=None, port=9632), ListenAddress(host="127.0.0.1", port=9633)) == (
        settings.listen,
        settings.admin_listen,
    )
    assert (120.0, 0, 5.0, 10.0, 2.0, False) == (
        settings.values.deadline_s,
        settings.values.max_attempts,
        settings.values.connect_timeout_s,
        settings.values.statement_timeout_s,
        settings.values.lock_timeout_s,
        settings.values.strict,
    )
    assert Backoff(base_s=0.5, max_s=10.0) == settings.backoff
    assert () == settings.ignored_variables


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("contract", "/other.yaml", "/other.yaml"),
        ("deadline_s", "30", 30.0),
        ("deadline_s", " 0.5 ", 0.5),
        ("max_attempts", "7", 7),
        ("connect_timeout_s", "1.5", 1.5),
        ("statement_timeout_s", "86400", 86_400.0),
        ("lock_timeout_s", "3", 3.0),
        ("backoff_base_s", "0.1", 0.1),
        ("backoff_max_s", "20", 20.0),
        ("strict", "true", True),
        ("strict", "false", False),
        ("strict", "1", True),
        ("drain_s", "0", 0.0),
        ("termination_log", "off", "off"),
        ("log_format", "json", "json"),
        ("log_level", "debug", "debug"),
    ],
)
def test_every_setting_comes_from_its_variable_or_its_flag(name: str, text: str, value: object) -> None:
    """A setting has the same name as a variable and as a flag, and both read the same text."""
    assert value == getattr(load({f"SIDECAR_{name.upper()}": text}).values, name)
    assert value == getattr(load_settings(BASE, {name: text}).values, name)


def test_a_flag_wins_over_its_variable() -> None:
    """What was typed counts before what the environment says."""
    assert 9.0 == load({"SIDECAR_DEADLINE_S": "5"}, deadline_s="9").values.deadline_s
    assert 5.0 == load({"SIDECAR_DEADLINE_S": "5"}, deadline_s=None).values.deadline_s


def test_a_wrong_variable_does_not_matter_below_a_flag() -> None:
    """A flag replaces the variable altogether."""
    assert 9.0 == load({"SIDECAR_DEADLINE_S": "x"}, deadline_s="9").values.deadline_s


@pytest.mark.parametrize("field", fields(), ids=lambda field: field.name)
def test_an_empty_variable_is_unset(field: object) -> None:
    """A variable that a template left empty leaves the default in force."""
    name = getattr(field, "name", "")
    variable = f"SIDECAR_{name.upper()}"
    if name == "contract":
        assert any(problem.startswith(variable) for problem in problems_of(BASE | {variable: ""}))
    else:
        assert load().values == load({variable: ""}).values


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("SIDECAR_DEADLINE_S", "2m", "is not a number of seconds without a unit, more than 0 and at most 86400"),
        ("SIDECAR_DEADLINE_S", "0", "more than 0"),
        ("SIDECAR_DEADLINE_S", "-1", "more than 0"),
        ("SIDECAR_DEADLINE_S", "nan", "is not a number of seconds"),
        ("SIDECAR_DEADLINE_S", "inf", "is not a number of seconds"),
        ("SIDECAR_DEADLINE_S", "86401", "at most 86400"),
        ("SIDECAR_DEADLINE_S", "   ", "is not a number of seconds"),
        ("SIDECAR_DRAIN_S", "-0.1", "at least 0"),
        ("SIDECAR_MAX_ATTEMPTS", "1.5", "is not a whole number of at least 0"),
        ("SIDECAR_MAX_ATTEMPTS", "-1", "is not a whole number"),
        ("SIDECAR_MAX_ATTEMPTS", "many", "is not a whole number"),
        ("SIDECAR_STRICT", "maybe", "is not true or false"),
        ("SIDECAR_LOG_LEVEL", "loud", "is not one of debug, info, warning, error"),
        ("SIDECAR_LOG_FORMAT", "xml", "is not one of auto, json, console"),
        ("SIDECAR_LISTEN", "9632x", "is not an address"),
        ("SIDECAR_LISTEN", ":65536", "is not an address"),
        ("SIDECAR_LISTEN", "localhost", "is not an address"),
        ("SIDECAR_LISTEN", "::1:9632", "is not an address"),
        ("SIDECAR_LISTEN", "example.com:9632", "is not an IP address"),
        ("SIDECAR_LISTEN", "[zz]:9632", "is not an"),
        ("SIDECAR_LISTEN", "off", "is not an address"),
        ("SIDECAR_ADMIN_LISTEN", ":9633", "must be a loopback address"),
        ("SIDECAR_ADMIN_LISTEN", "0.0.0.0:9633", "must be a loopback address"),
        ("SIDECAR_ADMIN_LISTEN", "[::]:9633", "must be a loopback address"),
        ("SIDECAR_ADMIN_LISTEN", "10.0.0.1:9633", "must be a loopback address"),
        ("SIDECAR_BACKOFF_MAX_S", "0.1", "is less than SIDECAR_BACKOFF_BASE_S"),
        ("SIDECAR_CONTRACT", "", "no contract"),
        ("DATABASE_URL", "", "no database"),
        ("DATABASE_URL", "mysql://u:canary@h", "does not begin with postgresql://"),
        ("DATABASE_URL", "postgresql://u:canary#S3cr3t@h/d", "unescaped reserved character"),
        ("DATABASE_URL", f"{URL}?max=1" + "&max=1" * 200, "too many keys"),
        ("DATABASE_URL_FILE", "/nonexistent", "are both set"),
        ("SIDECAR_DATABASE_URL_FILE", "/nonexistent", "no such file"),
    ],
)
def test_every_wrong_value_names_its_variable(variable: str, text: str, words: str) -> None:
    """A value that cannot be used is told with the variable, what it is not, and no secret."""
    (problem,) = problems_of(BASE | {variable: text})
    assert words in problem
    assert variable in problem


def test_a_wrong_flag_is_told_as_the_flag() -> None:
    """What was typed as a flag is told as the flag."""
    (problem,) = problems_of(BASE, {"deadline_s": "soon", "strict": None})
    assert problem.startswith("--deadline-s: 'soon' is not")


def test_everything_wrong_is_told_at_once() -> None:
    """One run shows every wrong setting."""
    environ = {"SIDECAR_DEADLINE_S": "x", "SIDECAR_LISTEN": "x", "SIDECAR_ADMIN_LISTEN": ":1", "SIDECAR_STRICT": "x"}
    problems = problems_of(environ, {"log_level": "loud"})
    starts = {re.split(r"[:\s]", problem)[0] for problem in problems}
    assert {"SIDECAR_DEADLINE_S", "SIDECAR_STRICT", "--log-level", "SIDECAR_CONTRACT", "SIDECAR_LISTEN",
            "SIDECAR_ADMIN_LISTEN", "no"} == starts  # fmt: skip
    assert 7 == len(problems)


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        (":9632", None, 9632, ":9632"),
        ("9632", None, 9632, ":9632"),
        (":0", None, 0, ":0"),
        ("127.0.0.1:1", "127.0.0.1", 1, "127.0.0.1:1"),
        ("[::1]:65535", "::1", 65_535, "[::1]:65535"),
        ("[::]:80", "::", 80, "[::]:80"),
        ("localhost:80", "127.0.0.1", 80, "127.0.0.1:80"),
    ],
)
def test_addresses(text: str, host: str | None, port: int, shown: str) -> None:
    """An address is an interface, or none for all of them, and a port; shown as it is written."""
    address = load({"SIDECAR_LISTEN": text}).listen
    assert (host, port, shown) == (address.host, address.port, str(address))


@pytest.mark.parametrize("text", ["127.0.0.1:9633", "[::1]:9633", "localhost:9633", "127.8.8.8:1"])
def test_the_admin_listener_may_be_on_any_loopback_address(text: str) -> None:
    """Every address that only this pod reaches will do."""
    assert load({"SIDECAR_ADMIN_LISTEN": text}).admin_listen is not None


def test_the_admin_listener_can_be_off() -> None:
    """Without the admin listener there is none."""
    assert load({"SIDECAR_ADMIN_LISTEN": "off"}).admin_listen is None


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("SIDECAR_DEADLINE", "SIDECAR_DEADLINE (did you mean SIDECAR_DEADLINE_S?)"),
        ("SIDECAR_DATABASE_URI", "SIDECAR_DATABASE_URI (did you mean SIDECAR_DATABASE_URL?)"),
        ("SIDECAR_XYZZY", "SIDECAR_XYZZY"),
    ],
)
def test_a_mistyped_variable_does_not_go_unnoticed(variable: str, told: str) -> None:
    """A SIDECAR_ variable that means nothing is told, with the nearest name, and without its value."""
    assert (told,) == load({variable: "canary"}).ignored_variables


@pytest.mark.parametrize(
    "variable",
    [
        "SIDECAR_SERVICE_HOST",
        "SIDECAR_SERVICE_PORT",
        "SIDECAR_SERVICE_PORT_HTTP",
        "SIDECAR_PORT",
        "SIDECAR_PORT_9632_TCP",
        "SIDECAR_PORT_9632_TCP_ADDR",
        "SIDECAR_METRICS_SERVICE_HOST",
        "SIDECAR_METRICS_SERVICE_PORT",
        "SIDECAR_METRICS_SERVICE_PORT_HTTP",
        "SIDECAR_METRICS_PORT",
        "SIDECAR_METRICS_PORT_9632_UDP_PROTO",
        "SIDECAR_DATABASE_URL_FILE",
        "PATH",
        "SIDECARX",
    ],
)
def test_what_kubernetes_puts_there_is_not_told(variable: str) -> None:
    """The variables that a Service whose name begins with sidecar brings into every container are no mistakes."""
    environ = {"DATABASE_URL": "", "SIDECAR_DATABASE_URL": URL} if "DATABASE" not in variable else {}
    values = {variable: ""} if "DATABASE" in variable else {variable: "tcp://10.0.0.1:9632"}
    assert () == load(environ | values).ignored_variables


def test_a_database_url_in_a_file_counts(tmp_path: Path) -> None:
    """A mounted secret is read while the settings are checked, so that a mistake shows at once."""
    file = tmp_path / "url"
    file.write_text(URL)
    settings = load_settings({"SIDECAR_CONTRACT": "/c", "DATABASE_URL_FILE": str(file)}, {})
    assert "DATABASE_URL_FILE" == settings.source.variable


def test_no_secret_shows_in_the_settings() -> None:
    """The settings' own text forms hide the database's address."""
    assert "canary" not in repr(load())


def test_every_setting_is_described() -> None:
    """Each setting has its variable, its flag and a description for the help and the README."""
    for field in fields():
        assert f"SIDECAR_{field.name.upper()}" == field.variable
        assert f"--{field.name.replace('_', '-')}" == field.flag
        assert field.description


@given(
    st.dictionaries(
        st.sampled_from([field.variable for field in fields()] + ["DATABASE_URL", "SIDECAR_DATABASE_URL", "PGHOST"]),
        st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=20)
        | st.sampled_from(["1", "true", ":1", "1e400", "1_0", "²", "99999999999999999999"]),
        max_size=6,
    )
)
def test_any_environment_is_settings_or_a_settings_error(environ: dict[str, str]) -> None:
    """Whatever the environment, it makes settings or a SettingsError that says something."""
    try:
        load_settings(environ, {})
    except SettingsError as error:
        assert error.problems
