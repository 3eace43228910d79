"""`skipsearch dashboard`: optuna-dashboard on this machine's loopback address."""

from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import get_storage
from optuna_dashboard import wsgi

from studies.find import find, url_of
from studies.journal import readable

HOST = "127.0.0.1"  # never reachable from other machines: the dashboard has no password


class Server(ThreadingMixIn, WSGIServer):
    """A browser asks for several things at once."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """No line for each request."""


def serve(target: str, *, folder: Path, storage: str | None, port: int) -> None:
    """Serve until Ctrl-C. Raises ValueError for an unknown study and for a port in use."""
    study = find(target, folder=folder, storage=storage)
    app = wsgi(get_storage(readable(storage or url_of(target, folder=folder))))
    try:
        server = make_server(HOST, port, app, server_class=Server, handler_class=Quiet)
    except OSError as error:
        raise ValueError(f"--port {port} cannot be used ({error.strerror}): take another") from None
    url = f"http://{HOST}:{port}/dashboard/studies/{study._study_id}"
    print(f"{study.study_name}: {url} (Ctrl-C ends)", flush=True)
    with server:
        server.serve_forever()
