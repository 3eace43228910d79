"""`skipsearch analyze integration`: predict each gate's mask from those of earlier gates."""

from typing import Annotated

import typer

from skipsearch.studies.cli.analyze.options import Data, Device, Part, Seed, To, analyze
from skipsearch.studies.cli.options import (
    RUNS,
    AsJson,
    DataDir,
    Folder,
    Network,
    Retrained,
    Storage,
)


@analyze.command("integration")
def integration(
    target: Network,
    samples: Annotated[int, typer.Option(min=10, help="Images; a fifth is held out.")] = 500,
    trees: Annotated[int, typer.Option(min=1, help="Trees per forest.")] = 100,
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
    """Predict each gate's mask from those of earlier gates.

    The t-th gate of a stage of c channels takes a random forest of (t − 1)·c inputs, c outputs.
    """
    from skipsearch.studies.analysis.gates.integration import integration as found_by_forests
    from skipsearch.studies.analysis.gates.page import integration_report, integration_table, notes
    from skipsearch.studies.analysis.progress_bar import tracked
    from skipsearch.studies.analysis.request import Asked, conclude, folder_for
    from skipsearch.studies.terminal.tables import console

    terminal = console()
    asked = Asked(
        data=data,
        data_dir=data_dir,
        part=part,
        retrained=retrained,
        device=device,
        folder=folder,
        storage=storage,
    )
    subjects = asked.subjects([target])
    with tracked() as track:
        found = found_by_forests(subjects[0], samples=samples, trees=trees, seed=seed, track=track)
    conclude(
        integration_report(found),
        [integration_table(found, terminal.width)],
        notes(found),
        to or folder_for(subjects),
        as_json=as_json,
        terminal=terminal,
    )
