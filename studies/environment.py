"""On what a study ran: for whoever wants to meet its numbers again."""

import os
import platform
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import optuna

# Whose versions may change a proposal, a split or a metric.
PACKAGES = (
    "skipsearch",
    "torch",
    "torchvision",
    "numpy",
    "scikit-learn",
    "pillow",
    "optuna",
    "scipy",
    "ray",
)


def environment() -> dict[str, Any]:
    """Of this process. `commit` is that of the checkout the code is run from, with `-dirty` where
    files differ from it; "" where it is not a checkout."""
    import torch

    gpus = _gpus()
    return {
        "python": platform.python_version(),
        "packages": {**{name: _version(name) for name in PACKAGES}, "torch": torch.__version__},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "gpus": gpus,
        "cuda": torch.version.cuda if gpus else None,
        "commit": commit(Path(__file__).resolve().parents[1]),
    }


def _gpus() -> list[str]:
    """By the driver's own tool: for torch to answer takes half a GiB of each GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    asked = [tool, "--query-gpu=name", "--format=csv,noheader"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.splitlines() if answer.returncode == 0 else []


def record(study: optuna.Study) -> list[dict[str, Any]]:
    """Note the environment in the study, if it is not that of its last run. Returns all of them, in
    their order, each with `since`."""
    found: list[dict[str, Any]] = list(study.user_attrs.get("environments", []))
    now = environment()
    last = {k: v for k, v in found[-1].items() if k != "since"} if found else {}
    if now != last:
        found.append({"since": time.strftime("%Y-%m-%d %H:%M:%S"), **now})
        study.set_user_attr("environments", found)
    return found


def commit(folder: Path) -> str:
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):  # no git
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
