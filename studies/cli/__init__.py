"""The command `skipsearch`: one file per group of commands, imported in the order of `--help`.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

from skipsearch.studies.cli import search  # noqa: F401, I001
from skipsearch.studies.cli import results  # noqa: F401
from skipsearch.studies.cli import compare  # noqa: F401
from skipsearch.studies.cli import export  # noqa: F401
from skipsearch.studies.cli import analyze  # noqa: F401
from skipsearch.studies.cli import catalogue  # noqa: F401
from skipsearch.studies.cli.app import main

__all__ = ["main"]
