"""The C library's heap, in a process of its own: the setting is for the whole process."""

import subprocess
import sys

import pytest

CODE = """
import psutil
from trainers.memory import give_back, keep_freed

keep_freed()
blocks = [bytearray(b"x") * 2**20 for _ in range(200)]
full = psutil.Process().memory_info().rss
del blocks
kept = psutil.Process().memory_info().rss
give_back()
given_back = psutil.Process().memory_info().rss
print(full - kept, full - given_back)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    after_freeing, after_giving_back = (int(bytes_) / 2**20 for bytes_ in run.stdout.split())
    assert after_freeing < 20 and after_giving_back > 180
