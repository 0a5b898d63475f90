"""A store to test with: an SQLite file, and a database of a PostgreSQL server that the tests start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from postgres_server import Programs, running

from ddx.store import Store


@pytest.fixture(scope="session")
def postgres() -> Iterator[tuple[Programs, Path]]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def new_database(postgres: tuple[Programs, Path]) -> Callable[[], str]:
    """Makes an empty PostgreSQL database and gives its URL."""
    numbers = count(1)

    def made() -> str:
        name = f"store{next(numbers)}"
        with psycopg.connect(host=str(postgres[1]), user="ddx", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://ddx@/{name}?host={postgres[1]}"

    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store can be opened: each test that asks for it runs on both databases."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    make: Callable[[], str] = request.getfixturevalue("new_database")
    return make()


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    with Store.open(where) as opened:
        yield opened
