"""A study on a real PostgreSQL, where its programs are installed: killed in the middle, continued.

apt-get install postgresql && pip install 'skipsearch[postgres]'
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from skipsearch.studies.engine.driver import run
from skipsearch.studies.storage.store import load
from tests.support.failure_cases import skipsearch, stops, train
from tests.support.kills import Killed, killed_at, outcome, small_study, violations
from tests.support.kills import train as train_whole
from tests.support.tabulated_training import ByNetwork, Silent, charged


def programs() -> Path | None:
    """Debian keeps them out of PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


def as_server(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: its files and processes are then somebody else's."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "nobody")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an empty database."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'skipsearch[postgres]'")
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("needs PostgreSQL's initdb and pg_ctl: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="pg-") as name:  # pytest's own let nobody else in
        folder = Path(name)
        prefix, data = as_server(folder), folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]

        def call(program: str, *words: str) -> None:
            command = [*prefix, str(bin_folder / program), "--pgdata", str(data), *words]
            with (folder / "log").open("a") as log:
                subprocess.run(command, check=True, stdout=log, stderr=log, cwd=folder)

        call("initdb", "--username=studies", "--auth=trust", "--no-sync", "--encoding=UTF8")
        options = f"-F -p {port} -h 127.0.0.1 -k {folder}"
        call("pg_ctl", "start", "--wait", "-o", options, "--log", str(folder / "server.log"))
        opened: list[Any] = []
        event.listen(Pool, "connect", lambda connection, _record: opened.append(connection))
        try:
            yield f"postgresql+psycopg://studies@127.0.0.1:{port}/postgres"
        finally:
            for connection in opened:  # psycopg warns of those that the collector closes
                connection.close()
            call("pg_ctl", "stop", "--wait", "--mode=immediate")


def test_a_study_on_postgresql_that_is_killed_ends_like_one_that_was_not(
    server: str, tmp_path: Path
) -> None:
    config = small_study(trials=6, epochs=3)
    with killed_at("before", 60), pytest.raises(Killed):
        train_on(server, tmp_path / "killed")
    done = train_on(server, tmp_path / "killed")
    assert not violations(config, done, tmp_path / "killed")
    whole = train_whole(config, tmp_path / "whole")
    assert outcome(done) == outcome(whole)
    assert len(charged(load(config.name, storage=server))) == 6
    status, out, _ = skipsearch("status", config.name, "--storage", server, "--json")
    assert status == 0 and '"budget": 6' in out and '"running"' not in out


def train_on(server: str, folder: Path) -> optuna.Study:
    config = small_study(trials=6, epochs=3)
    return train(config, folder, begin=ByNetwork, storage=server)


def test_a_server_that_does_not_answer_gets_one_line(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, and nobody listens
        url = f"postgresql+psycopg://studies@127.0.0.1:{closed.getsockname()[1]}/postgres"
        with stops("storage .* cannot be opened"):
            run(small_study(), folder=tmp_path, storage=url, observer=Silent(), in_process=True)
