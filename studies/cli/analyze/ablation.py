"""`skipsearch analyze ablate`: the error of a trained network without each of its parts."""

from pathlib import Path
from typing import Annotated

import typer

from skipsearch.studies.cli.analyze.options import Data, Device, Part, To, analyze
from skipsearch.studies.cli.options import (
    RUNS,
    AsJson,
    DataDir,
    Folder,
    Network,
    Retrained,
    Storage,
)

Remove = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PART",
        help="shortcut, gate, norm or head, or that of a stage: gate@stage2; may be repeated. "
        "Default: every part it has, and the gate of each stage.",
    ),
]


@analyze.command("ablate")
def ablate(
    target: Network,
    remove: Remove = None,
    study: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="Also write a study that trains these networks from the start.",
        ),
    ] = None,
    data: Data = None,
    data_dir: DataDir = None,
    part: Part = None,
    retrained: Retrained = False,
    device: Device = "auto",
    to: To = None,
    as_json: AsJson = False,
    folder: Folder = RUNS,
    storage: Storage = None,
) -> None:
    """Measure error and cost without a part, not retrained."""
    from skipsearch.studies.analysis.ablations.ablation import ablation, chosen
    from skipsearch.studies.analysis.ablations.page import ablation_report, ablation_table, notes
    from skipsearch.studies.analysis.ablations.write_study import check_free, write_study
    from skipsearch.studies.analysis.progress_bar import tracked
    from skipsearch.studies.analysis.request import Asked, conclude, folder_for
    from skipsearch.studies.terminal.tables import console

    if study is not None:
        check_free(study)
    asked = Asked(
        data=data,
        data_dir=data_dir,
        part=part,
        retrained=retrained,
        device=device,
        folder=folder,
        storage=storage,
    )
    subject = asked.trained(target)
    with tracked() as track:
        found = ablation(subject, remove or (), track=track)
    lines = notes(found)
    if study is not None:
        lines += write_study(subject.model, chosen(subject, remove or ()), study).lines
    terminal = console()
    conclude(
        ablation_report(found, lines),
        [ablation_table(found, terminal.width)],
        lines,
        to or folder_for([subject]),
        as_json=as_json,
        terminal=terminal,
    )
