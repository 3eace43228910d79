"""`skipsearch analyze integration`: what gates take from the gates before them."""

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
    samples: Annotated[int, typer.Option(min=10, help="So many images; a fifth judges.")] = 500,
    trees: Annotated[int, typer.Option(min=1, help="Trees of a forest.")] = 100,
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
    """What each block's gate takes from the gates before it, by random forests.

    The t-th gate of a stage costs a forest of (t − 1)·c inputs and c outputs, c being channels.
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
