"""The C library's heap, in a process of its own: the setting is for the whole process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

JEMALLOC = Path(ray.__file__).parent / "core" / "libjemalloc.so"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc and jemalloc only")
IN_A_PROCESS = """
import psutil
from trainers.memory import give_back, keep_freed

keep_freed()
blocks = [bytearray(b"x") * size for size in (2**20, 12 * 2**20) for _ in range(2**27 // size)]
full = psutil.Process().memory_info().rss
del blocks
kept = psutil.Process().memory_info().rss
give_back()
given_back = psutil.Process().memory_info().rss
print(full - kept, full - given_back)
"""
IN_A_WORKER = """
import ray
from tabulated import study_of
from studies.cluster import ray_session

with ray_session(study_of(), 0):
    print(ray.get(ray.remote(lambda: open("/proc/self/maps").read()).remote()))
"""


def output(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
    )
    return done.stdout


@pytest.mark.parametrize("preloaded", ["", str(JEMALLOC)], ids=["glibc", "jemalloc"])
def test_freed_memory_is_kept_until_it_is_given_back(preloaded: str) -> None:
    words = output(IN_A_PROCESS, LD_PRELOAD=preloaded).split()
    after_freeing, after_giving_back = (int(bytes_) / 2**20 for bytes_ in words)
    assert after_freeing < 20 and after_giving_back > 220


def test_a_worker_has_the_heap_in_which_maps_of_many_sizes_leave_no_holes() -> None:
    assert str(JEMALLOC) in output(IN_A_WORKER)
