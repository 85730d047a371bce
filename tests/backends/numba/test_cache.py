"""Kernels are compiled once, kept by content, and loaded without importing numba."""

import concurrent.futures
import os
import time

import numpy as np
import pytest

from tracegraph.backends.numba.cache import KernelCache, default_cache, default_folder

SOURCE = "def answer(args, lo, hi):\n    args[0] = 42\n"
OTHER = "def answer(args, lo, hi):\n    args[0] = 43\n"

SCRIPT = """
import sys
from tracegraph.backends.numba.cache import default_cache, runtime_cache
from tracegraph.backends.numba.tape import Task, Wave, make_tape
import numpy as np
words = np.zeros(4, np.int64)
kernel = default_cache.address("def answer(args, lo, hi):\\n    args[0] = 42\\n", "answer")
run, _ = make_tape([Wave([Task(kernel, words.ctypes.data, 0, 1)] * 4, parallel=True)])
assert run()
assert words[0] == 42
counts = zip(default_cache.cache_info()[:2], runtime_cache.cache_info()[:2])
print("numba" in sys.modules, *map(sum, counts))
"""


def entries(cache: KernelCache) -> list:
    return sorted(cache.folder.glob("*.kernel"))


def test_second_request_is_a_hit(cold_cache):
    """In one process a kernel is compiled once."""
    first = cold_cache.address(SOURCE, "answer")
    assert cold_cache.addresses([("answer", SOURCE)]) == [first]
    assert cold_cache.cache_info()[:3] == (1, 0, 1)


def test_other_cache_on_the_same_folder_loads_from_disk(cold_cache):
    """What one process compiled, another loads."""
    cold_cache.address(SOURCE, "answer")
    other = KernelCache(cold_cache.folder)
    assert other.address(SOURCE, "answer") != 0
    assert other.cache_info()[:3] == (0, 1, 0)


def test_different_source_is_a_different_entry(cold_cache):
    """A change of one character is another kernel."""
    assert cold_cache.address(SOURCE, "answer") != cold_cache.address(OTHER, "answer")
    assert len(entries(cold_cache)) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: b"",
        lambda entry: entry[:-10],
        lambda entry: entry[:200] + bytes([entry[200] ^ 1]) + entry[201:],
        lambda entry: b"something else entirely",
    ],
    ids=["empty", "cut short", "one bit", "foreign"],
)
def test_damaged_entry_is_replaced(cold_cache, damage):
    """An entry that fails its checksum is compiled again and written anew."""
    cold_cache.address(SOURCE, "answer")
    (path,) = entries(cold_cache)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    other = KernelCache(cold_cache.folder)
    other.address(SOURCE, "answer")
    assert other.cache_info()[:2] == (1, 0)
    assert path.read_bytes() == good


def test_unwritable_folder_warns_once_and_works(tmp_path):
    """Without a folder the cache lives in memory, and says so once."""
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    cache = KernelCache(blocker / "kernels")
    with pytest.warns(RuntimeWarning, match="set TRACEGRAPH_CACHE_DIR"):
        cache.address(SOURCE, "answer")
    assert cache.address(OTHER, "answer") != 0
    assert cache.cache_info() == (2, 0, 0, None)


def test_oldest_entries_are_trimmed(cold_cache):
    """Beyond its limit a folder loses the entries that were written first."""
    cold_cache.address(SOURCE, "answer")
    (old,) = entries(cold_cache)
    os.utime(old, (time.time() - 1000,) * 2)
    small = KernelCache(cold_cache.folder, limit_bytes=old.stat().st_size)
    small.address(OTHER, "answer")
    assert len(entries(small)) == 1
    assert not old.exists()


def test_no_temporary_files_stay(cold_cache):
    """Entries appear whole and under their final name only."""
    cold_cache.address(SOURCE, "answer")
    assert [path.suffix for path in cold_cache.folder.iterdir()] == [".kernel"]


def test_warm_start_does_not_import_numba(python, tmp_path):
    """The second process runs kernels, a tape and the pool from disk alone."""
    folder = str(tmp_path / "kernels")
    assert python(SCRIPT, TRACEGRAPH_CACHE_DIR=folder).split()[0] == "True"
    assert python(SCRIPT, TRACEGRAPH_CACHE_DIR=folder) == "False 0 8"


def test_processes_may_share_a_cold_folder(python, tmp_path):
    """Processes that start at once on an empty folder all succeed, and leave whole entries."""
    folder = str(tmp_path / "kernels")
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        done = [threads.submit(python, SCRIPT, TRACEGRAPH_CACHE_DIR=folder) for _ in range(3)]
        assert all(future.result() for future in done)
    assert python(SCRIPT, TRACEGRAPH_CACHE_DIR=folder) == "False 0 8"


def test_threads_may_ask_at_once(cold_cache):
    """Concurrent requests for a missing kernel compile it once."""
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: cold_cache.address(SOURCE, "answer"), range(32)))
    assert len(found) == 1
    assert cold_cache.cache_info().compiled == 1


def test_folder_is_that_of_the_environment(monkeypatch, tmp_path):
    """`TRACEGRAPH_CACHE_DIR` decides where entries are kept."""
    monkeypatch.setenv("TRACEGRAPH_CACHE_DIR", str(tmp_path))
    assert default_folder() == tmp_path
    assert KernelCache().folder == tmp_path
    monkeypatch.delenv("TRACEGRAPH_CACHE_DIR")
    assert default_folder().name == "tracegraph"


def test_source_error_leaves_nothing_behind(cold_cache):
    """A kernel that does not compile raises each time and is not kept."""
    for _ in range(2):
        with pytest.raises(ValueError, match="defines no function"):
            cold_cache.address(SOURCE, "question")
    assert cold_cache.cache_info()[:3] == (0, 0, 0)


def test_default_cache_runs_kernels(call):
    """A kernel fetched through the default cache can be called."""
    out = np.zeros(1, np.int64)
    call("def copy(args, lo, hi):\n    table(args[0])[0] = hi\n", "copy", [out], 0, 7)
    assert out[0] == 7
    assert default_cache.cache_info().folder is not None
