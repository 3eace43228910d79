"""The fixtures of `tests.support.command`, for every test that calls the command line."""

from tests.support.command import database, here, skipsearch

__all__ = ["database", "here", "skipsearch"]
