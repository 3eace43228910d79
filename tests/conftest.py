"""Which tests run and in what order, seeds and threads before each, Ray for those that ask for it.

Small networks train fastest on one thread.
"""

import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.sampled import left_out

RAYS = {"cluster", "drivers", "nodes"}  # fixtures that start one


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="every instance, not a sample of a kind")


@pytest.hookimpl(trylast=True)  # a sample of what -k and -m left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that wait for Ray come first: one process has them and waits, while another has the
    rest and computes.
    """
    if not config.getoption("full") and (without := left_out(items)):
        config.hook.pytest_deselected(items=[*without])
        items[:] = [item for item in items if item not in without]
    items.sort(key=lambda item: RAYS.isdisjoint(getattr(item, "fixturenames", ())))


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    random.seed(0)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
    return


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Ray with two cores and what it takes for a GPU, whose workers import
    `tabulated`; this process has joined it.
    """
    import ray

    folder = tempfile.mkdtemp(prefix="rt-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        there = ray.init(
            num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=folder
        )
    yield there.address_info["gcs_address"]
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of studies in which `tiny` was trained; for reading alone."""
    from tests.support.trained_study import trained

    folder = tmp_path_factory.mktemp("runs")
    trained(folder)
    return folder
