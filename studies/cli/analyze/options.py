"""The group of commands `skipsearch analyze`, and the options that they share."""

from pathlib import Path
from typing import Annotated

import typer

from skipsearch.studies.cli.app import app

analyze = typer.Typer(
    help="Why a network works: gradients, attention, gates, ablations.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(analyze, name="analyze")

Data = Annotated[
    str | None,
    typer.Option(metavar="DATASET", help="Another data set than its own; a preset has none."),
]
Part = Annotated[
    str | None, typer.Option(metavar="PART", help="validation (default) or test (if retrained).")
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda:N", help="Where it is computed.")]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")]
To = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Default: analyses/NAME of the targets.")
]
BatchSize = Annotated[int, typer.Option(min=2, help="Images of a batch.")]
