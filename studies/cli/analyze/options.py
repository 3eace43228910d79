"""The group of commands `skipsearch analyze`, and the options that they share."""

from pathlib import Path
from typing import Annotated

import typer

from skipsearch.studies.cli.app import app

analyze = typer.Typer(
    help="Analyze a network: gradients, attention, gates, ablations.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(analyze, name="analyze")

Data = Annotated[
    str | None,
    typer.Option(metavar="DATASET", help="Data set; needed for a preset, which has none."),
]
Part = Annotated[
    str | None, typer.Option(metavar="PART", help="validation (default) or test (if retrained).")
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda:N", help="Device to compute on.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
To = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Output folder; default: analyses/NAMES.")
]
BatchSize = Annotated[int, typer.Option(min=2, help="Images per batch.")]
