"""The lease of a study: one driver at a time, and whether it is alive."""

import getpass
import math
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

import optuna
import psutil

LEASE_SECONDS = 60.0  # after so long without a sign the driver on another machine counts as dead


BEAT_SECONDS = 10.0


def lease_of(run: str, now: float) -> dict[str, Any]:
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
    if lease["closed"]:
        return False
    if lease["host"] != socket.gethostname():
        return bool(abs(time.time() - lease["beat"]) < LEASE_SECONDS)
    if lease["pid"] == os.getpid():
        return False
    try:  # a number may have been given to another process since
        there = psutil.Process(lease["pid"])
        same = bool(abs(there.create_time() - lease["started"]) < 1)
        return same and there.status() != psutil.STATUS_ZOMBIE  # killed, and not yet waited for
    except psutil.NoSuchProcess:
        return False


SILENT_SECONDS = 60  # a driver gives a sign every few seconds


def driver(study: optuna.Study) -> str:
    """Who runs the study now, in words; "" for nobody."""
    lease = study.user_attrs.get("lease")
    age = time.time() - float(lease["beat"]) if lease and not lease["closed"] else math.inf
    if lease is None or age > SILENT_SECONDS:
        return ""
    return f"process {lease['pid']} on {lease['host']} (last sign {age:.0f} s ago)"
