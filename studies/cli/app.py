"""The application and its entry point, which reports every mistake of the user in one line on
stderr and with exit status 2.
"""

import sys
from typing import Annotated, NoReturn

import typer

BAD_INPUT, INTERRUPTED = 2, 130  # 0 is success; `run` also ends with 3: no feasible trial
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="skipsearch",
    help="Search for image classifiers whose shortcuts are learned.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def skipsearch(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Print the version, or the help if there is no command."""
    if version:
        typer.echo(f"skipsearch {_version()}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> NoReturn:
    """Run the command line and exit with its status.

    Wrong usage, ValueError and OSError become one line on stderr and status 2, an interruption
    status 130.
    """
    try:
        status = typer.main.get_command(app).main(prog_name="skipsearch", standalone_mode=False)
    except UsageError as error:
        message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
        _fail(f"{message.rstrip('.')}; see skipsearch --help")
    except ValueError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'the system'}: {error.strerror or error}")
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(BAD_INPUT)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("skipsearch")
    except PackageNotFoundError:
        return "of this folder (not installed)"
