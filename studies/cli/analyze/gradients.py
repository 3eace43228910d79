"""`skipsearch analyze gradient-flow`: the gradients that reach each layer."""

from typing import Annotated

import typer

from skipsearch.studies.cli.analyze.options import (
    BatchSize,
    Data,
    Device,
    Part,
    Seed,
    To,
    analyze,
)
from skipsearch.studies.cli.options import (
    RUNS,
    AsJson,
    DataDir,
    Folder,
    Networks,
    Retrained,
    Storage,
)


@analyze.command("gradient-flow")
def gradient_flow(
    targets: Networks,
    batches: Annotated[int, typer.Option(min=1, help="Number of batches.")] = 20,
    batch_size: BatchSize = 128,
    vanishing: Annotated[float, typer.Option(help="Highest norm that vanishes.")] = 1e-6,
    exploding: Annotated[float, typer.Option(help="Lowest norm that explodes.")] = 10.0,
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
    """Measure gradients: vanishing, exploding, dead layers."""
    from skipsearch.studies.analysis.gradients.flow import gradient_flow as found
    from skipsearch.studies.analysis.gradients.health import Thresholds
    from skipsearch.studies.analysis.gradients.page import flow_report
    from skipsearch.studies.analysis.gradients.tables import (
        findings,
        flow_table,
        sensitivity_table,
        stage_table,
    )
    from skipsearch.studies.analysis.progress_bar import tracked
    from skipsearch.studies.analysis.request import Asked, conclude, folder_for
    from skipsearch.studies.terminal.tables import console

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
