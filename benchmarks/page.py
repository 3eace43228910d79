"""Measure the page of a large study: its bytes, CPU seconds to write, time to open.

    python benchmarks/page.py [--trials 2000] [--folder DIR] [--json]

Run a study of instantaneous trials through the engine (a minute per thousand; kept in `--folder`
for the next time), write its page and open it in headless Chromium. The page itself records when
the front is drawn (`data-ready`, milliseconds since navigation); errors are read from the console.

Bars: open in 2 s with 2,000 trials, no errors on the console.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
from overhead import Instant

from skipsearch.studies.config.study_config import StudyConfig
from skipsearch.studies.engine.driver import run
from skipsearch.studies.page.files import Report, write
from skipsearch.studies.page.importance_figure import Importances
from skipsearch.studies.page.page import page
from skipsearch.studies.storage.find import find

BAR_MS, BAR_TRIALS = 2000.0, 2000
NAME = "large"
OPEN = ("--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom")
COMPLAINT = re.compile(r"CONSOLE.*(?:Uncaught|Error|error)")


class Silent:
    def started(self, store: object) -> None: ...
    def changed(self, store: object) -> None: ...
    def finished(self, store: object) -> None: ...


def made(folder: Path, trials: int) -> optuna.Study:
    """Run and return a study of so many trials, most of them stopped early."""
    keys = {"dataset": "digits", "trials": trials, "epochs": 9, "sampler": "random"}
    keys |= {"name": NAME, "eta": 2, "grace": 3}
    space = {"stages": [2, 3], "stem": "conv3"}  # every network fits the images
    config = StudyConfig.from_dict({"study": keys, "space": space}, where="benchmark")
    home = folder / NAME
    run(config, folder=home, observer=Silent(), in_process=True, begin=Instant)
    found = find(NAME, folder=folder)
    found.get_trials(deepcopy=False)  # so that they are in memory, as in a driver
    return found


def opened(path: Path, width: int) -> dict[str, Any]:
    """Open the page in Chromium; return the milliseconds and the errors on its console."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise ValueError("chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile:
        where = (f"--user-data-dir={profile}", f"--window-size={width},1000", path.as_uri())
        done = subprocess.run([browser, *OPEN, *where], capture_output=True, text=True, check=True)
    ready = re.search(r'data-ready="(\d+)"', done.stdout)
    complaints = [line for line in done.stderr.splitlines() if COMPLAINT.search(line)]
    return {"ready_ms": float(ready[1]) if ready else None, "complaints": complaints}


def measure(folder: Path, trials: int) -> dict[str, Any]:
    study = made(folder, trials)
    seconds = []
    known = Importances()
    for _ in range(2):  # the importances are computed in the first one only
        before = time.process_time()
        text = page(study, known)
        seconds.append(time.process_time() - before)
    before = time.process_time()
    write(study, folder / NAME, known)
    all_files = time.process_time() - before
    path = (folder / NAME / "front.html").resolve()
    looks = [opened(path, width=1440) for _ in range(5)]
    return {
        "trials": trials,
        "page_bytes": len(text.encode()),
        "first_page_seconds": seconds[0],
        "next_page_seconds": seconds[1],
        "three_files_seconds": all_files,
        "pause_seconds": Report.pause(all_files),
        "ready_ms": [look["ready_ms"] for look in looks],
        "complaints": looks[0]["complaints"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=BAR_TRIALS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(given.folder or Path(scratch), given.trials)
    if given.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        print(f"{key:20} {value}")
    middle = statistics.median(figures["ready_ms"])
    met = middle <= BAR_MS and not figures["complaints"]
    print(
        f"open in {middle:.0f} ms, the middle of 5: bar {BAR_MS:g} ms {'met' if met else 'NOT met'}"
    )


if __name__ == "__main__":
    main()
