"""`skipsearch dashboard`: optuna-dashboard on this machine's loopback address."""

import shlex
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import get_storage
from optuna_dashboard import wsgi
from sqlalchemy.exc import SQLAlchemyError

from skipsearch.studies.config.target import parse_study
from skipsearch.studies.dashboard.observer import Board
from skipsearch.studies.storage.artifacts import FOLDER, artifact_store
from skipsearch.studies.storage.connect import readable, study_id
from skipsearch.studies.storage.find import open_study, url_of
from skipsearch.studies.storage.journal import JOURNAL, path_of
from skipsearch.studies.storage.lease import driver

HOST = "127.0.0.1"  # never reachable from other machines: the dashboard has no password


class Server(ThreadingMixIn, WSGIServer):
    """A threaded server, since a browser sends several requests at once."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """A request handler that prints no line per request."""

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def serve(target: str, *, folder: Path, storage: str | None, port: int) -> None:
    """Serve a study until Ctrl-C. Raises ValueError for an unknown study and for a port in use."""
    named = parse_study(target, folder=folder, storage=storage)
    study = open_study(named, storage)
    home, url = named.home, storage or url_of(named)
    if not driver(study):  # a dead driver, or an older version, may have left notes out
        _complete(study)
    app = wsgi(get_storage(readable(url)), artifact_store(home))
    try:
        server = make_server(HOST, port, app, server_class=Server, handler_class=Quiet)
    except OSError as error:
        raise ValueError(f"--port {port} cannot be used ({error.strerror}): take another") from None
    place = f"http://{HOST}:{port}/dashboard/studies/{study_id(study)}"
    print(f"{study.study_name}: {place} (Ctrl-C ends)", flush=True)
    print(f"the same by hand: {by_hand(url, home)}", flush=True)
    with server:
        server.serve_forever()


def _complete(study: optuna.Study) -> None:
    """Store missing notes and figures; a read-only storage is shown without them."""
    board = Board()
    try:
        board.look(study)
        board.complete(study)
    except (SQLAlchemyError, StorageInternalError, OSError) as error:
        reason = str(error).splitlines()[0]
        print(f"note: missing notes and figures cannot be stored: {reason}", file=sys.stderr)


def by_hand(url: str, home: Path) -> str:
    """Return the `optuna-dashboard` command that shows the same; a journal is given by its path."""
    where = str(path_of(url)) if url.startswith(JOURNAL) else url
    return shlex.join(["optuna-dashboard", where, "--artifact-dir", str(home / FOLDER)])
