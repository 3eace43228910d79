"""Seeds before every test, and the architectures that tests draw."""

import random
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    random.seed(0)
    if (torch := __import__("sys").modules.get("torch")) is not None:
        torch.manual_seed(0)
    yield
