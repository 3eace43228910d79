"""Commands that show the results of a study: front, dashboard."""

from typing import Annotated

import typer

from skipsearch.studies.cli.app import app
from skipsearch.studies.cli.options import RUNS, AsJson, Folder, Storage, Study


@app.command()
def front(
    study: Study,
    folder: Folder = RUNS,
    storage: Storage = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    at: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT", help="The front at 500epochs, 40trials, 2h, 3worker-h."),
    ] = None,
) -> None:
    """Print the Pareto front of the fully trained trials."""
    if as_json and as_csv:
        raise ValueError("--json and --csv exclude each other: give one of them")
    from skipsearch.studies.page.files import front_document
    from skipsearch.studies.results.front import front as front_of
    from skipsearch.studies.storage.find import find
    from skipsearch.studies.terminal.front import print_front
    from skipsearch.studies.terminal.tables import console, print_json

    found = find(study, folder=folder, storage=storage)
    if at is not None:
        from skipsearch.studies.terminal.front import show_front_at

        show_front_at(found, at, "json" if as_json else "csv" if as_csv else "table")
    elif as_json:
        print_json(front_document(found))
    elif as_csv:
        typer.echo(front_of(found).to_csv(index=False), nl=False)
    else:
        print_front(found, console())


@app.command()
def dashboard(
    study: Study,
    folder: Folder = RUNS,
    storage: Storage = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 8080,
) -> None:
    """Show a study in optuna-dashboard on this machine."""
    from skipsearch.studies.dashboard.serve import serve

    serve(study, folder=folder, storage=storage, port=port)
