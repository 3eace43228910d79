"""`skipsearch analyze depth-attention` and `grad-cam`: the outputs and pixels a network uses."""

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

Chosen = Annotated[
    str | None,
    typer.Option("--images", metavar="N,N…", help="Images of the part, numbered from 0."),
]
Stages = Annotated[
    list[int] | None,
    typer.Option("--stage", metavar="N", help="From 1; 0 is the stem. Default: the last."),
]
Explained = Annotated[
    str,
    typer.Option("--of", metavar="predicted|true|CLASS", help="The class to explain."),
]
Wrong = Annotated[bool, typer.Option("--wrong", help="The first target's most confident mistakes.")]


@analyze.command("depth-attention")
def depth_attention(
    targets: Networks,
    images: Chosen = None,
    consumer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help='Block to map, such as "block 3.1"; default: the last.'),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Number of random images; default: all.")
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
    """Measure what each block reads of each earlier output."""
    from skipsearch.studies.analysis.depth.attention import depth_attention as found
    from skipsearch.studies.analysis.depth.attention import looks
    from skipsearch.studies.analysis.depth.page import depth_report
    from skipsearch.studies.analysis.depth.tables import consumers, overview, remarks
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


@analyze.command("grad-cam")
def grad_cam(
    targets: Networks,
    stage: Stages = None,
    images: Chosen = None,
    wrong: Wrong = False,
    count: Annotated[
        int, typer.Option(min=1, help="Number of classes; with --wrong, of mistakes.")
    ] = 8,
    of: Explained = "predicted",
    batch_size: BatchSize = 128,
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
    """Map the pixels that speak for a class, at any stage."""
    from skipsearch.studies.analysis.cam.grad_cam import grad_cam as explain
    from skipsearch.studies.analysis.cam.grad_cam import of_named, stages_named
    from skipsearch.studies.analysis.cam.page import cam_report, cam_table, remarks
    from skipsearch.studies.analysis.images import asked_for, check_same
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
    subjects = asked.subjects(targets)
    check_same(subjects)
    looked = [(one, stages_named(one, stage or [])) for one in subjects]
    explained, size = of_named(of, subjects[0].classes), batch_size
    with tracked() as track:
        index = asked_for(subjects[0], images, count, wrong=wrong, batch_size=size, track=track)
        found = [
            (one, explain(one, index, stages=stages, of=explained, batch_size=size, track=track))
            for one, stages in looked
        ]
    conclude(
        cam_report(found),
        [cam_table(found, terminal.width)],
        remarks(found),
        to or folder_for(subjects),
        as_json=as_json,
        terminal=terminal,
    )
