"""Commands that list the search space, presets and recipes, or describe a network."""

from pathlib import Path
from typing import Annotated

import typer

from skipsearch.studies.cli.app import app
from skipsearch.studies.cli.options import RUNS, AsJson, Changes, Folder, Network, Storage


@app.command()
def space(
    study_file: Annotated[
        Path | None,
        typer.Argument(metavar="[STUDY.toml]", help="A study file; default: the whole space."),
    ] = None,
    changes: Changes = None,
    tree: Annotated[bool, typer.Option("--tree", help="Print an indented tree.")] = False,
    as_json: AsJson = False,
) -> None:
    """List every parameter: domain, default, condition, meaning."""
    from skipsearch.studies.terminal.space import print_trees, space_lines, tables
    from skipsearch.studies.terminal.tables import print_json

    found = tables(study_file, changes or [])
    if as_json:
        print_json(found)
    elif tree:
        print_trees(found)
    else:
        typer.echo("\n".join(space_lines(found)))


@app.command()
def presets(as_json: AsJson = False) -> None:
    """List the built-in published networks."""
    from skipsearch.studies.terminal.catalogue import figures_line, preset_records, preset_tables
    from skipsearch.studies.terminal.tables import console, print_json

    records = preset_records()
    if as_json:
        print_json(records)
        return
    console().print(*preset_tables(records, console().width))
    console().print(f"\n{figures_line(records)}", soft_wrap=True, markup=False)


@app.command()
def recipes(as_json: AsJson = False) -> None:
    """List the built-in training recipes, for `[recipe] preset`."""
    from skipsearch.studies.terminal.catalogue import recipe_lines, recipe_records
    from skipsearch.studies.terminal.tables import print_json

    if as_json:
        print_json(recipe_records())
    else:
        typer.echo("\n".join(recipe_lines(recipe_records())))


@app.command()
def describe(
    target: Network,
    changes: Changes = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Height and width in pixels.")] = None,
    channels: Annotated[int | None, typer.Option(help="1 for grey, 3 for colour.")] = None,
    latency: Annotated[bool, typer.Option("--latency", help="Time a forward pass.")] = False,
    source: Annotated[bool, typer.Option("--source", help="Print the model's code.")] = False,
    as_json: AsJson = False,
    folder: Folder = RUNS,
    storage: Storage = None,
) -> None:
    """Describe a network: params, macs, latency, configuration, code."""
    from skipsearch.studies.models.target import resolve
    from skipsearch.studies.terminal.catalogue import describe_lines, describe_record, source_of
    from skipsearch.studies.terminal.tables import print_json

    network = resolve(
        target,
        changes or [],
        folder=folder,
        storage=storage,
        classes=classes,
        image_size=image_size,
        channels=channels,
    )
    if source and not as_json:
        typer.echo(source_of(network))
        return
    record = describe_record(network, latency=latency, source=source)
    if as_json:
        print_json(record)
    else:
        typer.echo("\n".join(describe_lines(record)))
