"""The lease of a study: the attribute with which its one driver says that it leads it and is alive.

A lease holds the driver's run, host, user, process number and start, the time of its last sign of
life (`beat`), and whether the driver has ended and given the lease back (`closed`).
"""

import getpass
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

import optuna
import psutil

# A driver on another host is taken for dead after so long without a sign: nothing else is seen of
# it. One on this host is asked for as a process, and is known to be dead at once.
LEASE_SECONDS = 60.0
BEAT_SECONDS = 10.0  # between two signs of life


def lease_of(run: str, now: float) -> dict[str, Any]:
    """Return the lease of this process for a `run`, with a sign of life at `now`."""
    me = psutil.Process()
    return {
        "run": run,
        "host": socket.gethostname(),
        "user": getpass.getuser(),
        "pid": me.pid,
        "started": me.create_time(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(me.create_time())),
        "beat": now,
        "closed": False,
    }


def alive(lease: Mapping[str, Any]) -> bool:
    """Return True while the driver that holds a lease is running.

    | lease                      | alive                                                         |
    |----------------------------|---------------------------------------------------------------|
    | closed                     | no                                                            |
    | of a driver on this host   | while the process runs, however long ago its last sign was    |
    | of a driver on another one | for `LEASE_SECONDS` after its last sign, or before it where   |
    |                            | the clock of that host is ahead                               |
    """
    if lease["closed"]:
        return False
    if lease["host"] != socket.gethostname():
        return bool(abs(time.time() - lease["beat"]) < LEASE_SECONDS)
    try:  # a number may have been given to another process since
        there = psutil.Process(lease["pid"])
        same = bool(abs(there.create_time() - lease["started"]) < 1)
        return same and there.status() != psutil.STATUS_ZOMBIE  # killed, and not yet waited for
    except psutil.NoSuchProcess:
        return False


def is_own(lease: Mapping[str, Any]) -> bool:
    """Return True for a lease that this process took: it may take it again, after a run that an
    exception ended before the lease was closed.
    """
    return bool(lease["host"] == socket.gethostname() and lease["pid"] == os.getpid())


def driver(study: optuna.Study) -> str:
    """Name the driver that runs a study now; "" where none is alive."""
    lease = study.user_attrs.get("lease")
    if not lease or not alive(lease):
        return ""
    age = time.time() - float(lease["beat"])
    return f"process {lease['pid']} on {lease['host']} (last sign {age:.0f} s ago)"
