"""The C library's heap, in a process of its own: the setting is for the whole process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray

JEMALLOC = Path(ray.__file__).parent / "core" / "libjemalloc.so"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc and jemalloc only")
CODE = """
import psutil
from skipsearch.trainers.loop.memory import give_back, keep_freed

keep_freed()
blocks = [bytearray(b"x") * size for size in (2**20, 12 * 2**20) for _ in range(2**27 // size)]
full = psutil.Process().memory_info().rss
del blocks
kept = psutil.Process().memory_info().rss
give_back()
given_back = psutil.Process().memory_info().rss
print(full - kept, full - given_back)
"""


@pytest.mark.parametrize("preloaded", ["", str(JEMALLOC)], ids=["glibc", "jemalloc"])
def test_freed_memory_is_kept_until_it_is_given_back(preloaded: str) -> None:
    command, environment = [sys.executable, "-c", CODE], os.environ | {"LD_PRELOAD": preloaded}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    after_freeing, after_giving_back = (int(bytes_) / 2**20 for bytes_ in run.stdout.split())
    assert after_freeing < 20 and after_giving_back > 220
