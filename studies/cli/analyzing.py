"""`skipsearch analyze`: why a network works."""

from pathlib import Path
from typing import Annotated

import typer

from studies.cli.app import app
from studies.cli.options import RUNS, AsJson, DataDir, Folder, Storage

analyze = typer.Typer(
    help="Why a network works: gradients, attention, gates, ablations.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(analyze, name="analyze")

Networks = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET…",
        help="STUDY#NUMBER, STUDY#BASELINE, a study, an exported folder, a preset, an arch file.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(metavar="DATASET", help="Another data set than its own; a preset has none."),
]
Part = Annotated[
    str | None, typer.Option(metavar="PART", help="validation (default) or test (if retrained).")
]
Retrained = Annotated[
    bool, typer.Option("--retrained", help="The weights of the first retrained seed.")
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda:N", help="Where it is computed.")]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")]
To = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Default: analyses/NAME of the targets.")
]
BatchSize = Annotated[int, typer.Option(min=2, help="Images of a batch.")]


@analyze.command("gradient-flow")
def gradient_flow(
    targets: Networks,
    batches: Annotated[int, typer.Option(min=1, help="So many batches.")] = 20,
    batch_size: BatchSize = 128,
    vanishing: Annotated[float, typer.Option(help="A mean norm at most this vanishes.")] = 1e-6,
    exploding: Annotated[float, typer.Option(help="A mean norm at least this explodes.")] = 10.0,
    data: Data = None,
    data_dir: DataDir = None,
    part: Part = None,
    retrained: Retrained = False,
    seed: Seed = 0,
    device: Device = "auto",
    to: To = None,
    as_json: AsJson = False,
    folder: Folder = RUNS,
    storage: Storage = None,
) -> None:
    """Gradients of every layer and stage: vanishing, exploding, dead."""
    from studies.analysis.asked import Asked, conclude, folder_for
    from studies.analysis.gradient_flow import gradient_flow as found
    from studies.analysis.gradient_page import flow_report
    from studies.analysis.gradient_tables import (
        findings,
        flow_table,
        sensitivity_table,
        stage_table,
    )
    from studies.analysis.health import Thresholds
    from studies.analysis.tracking import tracked
    from studies.show import console

    limits, terminal = Thresholds(vanishing, exploding), console()
    asked = Asked(
        data=data,
        data_dir=data_dir,
        part=part,
        retrained=retrained,
        device=device,
        folder=folder,
        storage=storage,
    )
    subjects = asked.subjects(targets)
    drawn = {"batches": batches, "batch_size": batch_size, "seed": seed}
    with tracked() as track:
        flows = [found(one, **drawn, track=track) for one in subjects]
    width = terminal.width
    conclude(
        flow_report(flows, limits),
        [
            flow_table(flows, limits, width),
            stage_table(flows, width),
            sensitivity_table(flows, limits, width),
        ],
        findings(flows, limits),
        to or folder_for(subjects),
        as_json=as_json,
        terminal=terminal,
    )
