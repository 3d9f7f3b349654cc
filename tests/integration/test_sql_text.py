"""The splitter of statements, compared with the server's own lexer: what it takes for one statement is one there."""

import asyncio
import contextlib
import random

import asyncpg

from sidecar.contract.sql_text import parse_statement
from tests.conftest import Database

# Beginnings and ends of all in which a semicolon would not end a statement, and whole constants that lead up to it.
PIECES = (
    *("'", '"', "$$", "$a$", "--", "/*", "*/", "E'", "\\", "\\'", "''"),
    *("E'a'", "e'\\''", "'a'", "'a\\'", "\n'b'", "\r'\\''", "\n'\\''", " --x\n'\\''", "u&'a'", "1e", "x1", "$1", "--'"),
    *("E'a'\n'\\''", "E'a' --x\n'\\''"),
    *("\n", "\r", "\v", " ", "\u00a0", "\u0085", ", ", ", 1", " AS a", "ä", "1"),
)
SAMPLES = 60_000
TOO_MANY = "exec_parse_message"
"""The server's function that refuses several statements in one message of the extended protocol."""


def test_what_is_taken_for_one_statement_is_one_to_the_server(database: Database) -> None:
    """Of thousands of nasty texts, none that is accepted holds a second statement in the server's eyes."""
    chance = random.Random(20260222)
    accepted: list[str] = []
    for _ in range(SAMPLES):
        before, after = (chance.choices(PIECES, k=chance.randint(0, most)) for most in (4, 3))
        text = f"SELECT {chance.choice(('1', ''))}{''.join(before)};SELECT 2{''.join(after)}"
        with contextlib.suppress(ValueError):
            accepted.append(parse_statement(text).sql)
    assert len(accepted) > SAMPLES // 100, "the samples are too nasty to tell anything"

    async def refused_as_several() -> list[str]:
        connection = await asyncpg.connect(database.server.url(database.name))
        found = []
        for sql in accepted:
            try:
                # The text as it stands in a script: what follows must stay a statement of its own.
                await connection.prepare(f"{sql}\n")
            except asyncpg.PostgresError as error:
                if error.server_source_function == TOO_MANY:
                    found.append(sql)
        await connection.close()
        return found

    assert [] == asyncio.run(refused_as_several())
