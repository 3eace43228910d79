"""`skipsearch analyze depth-attention` and `grad-cam`: what a network looks at."""

from typing import Annotated

import typer

from studies.cli.analyzing import (
    BatchSize,
    Data,
    Device,
    Networks,
    Part,
    Retrained,
    Seed,
    To,
    analyze,
)
from studies.cli.options import RUNS, AsJson, DataDir, Folder, Storage

Chosen = Annotated[
    str | None,
    typer.Option("--images", metavar="N,N…", help="These images of the part, from 0."),
]


@analyze.command("depth-attention")
def depth_attention(
    targets: Networks,
    images: Chosen = None,
    consumer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help='Of the maps: "block 3.1", by default the last one.'),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="So many images, drawn; all without it.")
    ] = None,
    batch_size: BatchSize = 128,
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
    """How much each block reads of each earlier output, and where."""
    from studies.analysis.asked import Asked, conclude, folder_for
    from studies.analysis.depth_attention import depth_attention as found
    from studies.analysis.depth_attention import looks
    from studies.analysis.depth_page import depth_report
    from studies.analysis.depth_tables import consumers, overview, remarks
    from studies.analysis.tracking import tracked
    from studies.show import console

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
    subjects = asked.subjects(targets)
    looked, unseen = looks(subjects, consumer, images)
    with tracked() as track:
        readings = [
            found(one, batch_size=batch_size, count=count, seed=seed, track=track)
            for one in subjects
        ]
    conclude(
        depth_report(readings, looked),
        [overview(readings, terminal.width), *consumers(readings, terminal.width)],
        [*remarks(readings), *unseen],
        to or folder_for(subjects),
        as_json=as_json,
        terminal=terminal,
    )
