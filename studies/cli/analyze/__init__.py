"""`skipsearch analyze`: why a network works; one file per command or two, imported in the order of
`--help`.
"""

from skipsearch.studies.cli.analyze import gradients  # noqa: F401, I001
from skipsearch.studies.cli.analyze import attention  # noqa: F401
from skipsearch.studies.cli.analyze import integration  # noqa: F401
from skipsearch.studies.cli.analyze import ablation  # noqa: F401
