"""`skipsearch analyze`: why a network works; a file for each command or two, in the order of
`--help`."""

from studies.cli.analyze import gradients  # noqa: F401, I001  (the imports register the commands)
from studies.cli.analyze import attention  # noqa: F401
from studies.cli.analyze import integration  # noqa: F401
from studies.cli.analyze import ablation  # noqa: F401
