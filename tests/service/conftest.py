"""A fresh rule for a test that looks at what the model saw; one service for those that look at answers alone."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from served_rule import Rule, serving


@pytest.fixture
def rule() -> Rule:
    return Rule()


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with serving(Rule()) as client:
        yield client
