"""What of a report goes into the study: a point of the curve, and where its trial stands."""

import math
from collections.abc import Mapping
from typing import Any

from skipsearch.studies.scheduler import fidelity, number_in
from skipsearch.studies.storage.store import Store
from skipsearch.studies.verdicts import Live

NOTED = ("seconds", "checkpoint", "val_errors", "val_error_sd")


def record(store: Store, live: Live, result: Mapping[str, Any]) -> None:
    """A point that is there stays as it is: epochs that are trained again, because a checkpoint is
    broken, are not written again."""
    worker = result.get("hostname"), result.get("pid")
    if worker != live.worker:
        live.worker = worker
        store.note(live.trial, node=worker[0], pid=worker[1])
    if not math.isfinite(number_in(result, "val_error")):
        return
    epoch, there = int(result["epoch"]), store.curve(live.trial)
    if epoch < max(there, default=0):
        return
    if epoch not in there:
        store.point(live.trial, epoch, float(result["val_error"]))
    noted = {name: result[name] for name in NOTED if name in result}
    store.note(live.trial, epochs=epoch, fidelity=fidelity(live.job, result), **noted)
