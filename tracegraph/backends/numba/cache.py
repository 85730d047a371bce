"""Compiled kernels by content: source text comes in, addresses of machine code go out.

An entry on disk is named by a hash of everything that its machine code depends on: the source, the
compiler's own source, the versions of Numba, llvmlite and Python, and the CPU. So nothing goes stale, files
are only ever added, and processes share a folder without locks. A kernel found on disk is loaded without
importing numba. It knows nothing of graphs or of what kernels compute.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .loader import Loader

_MAGIC = b"tracegraph kernel 1\n"
_DIGEST_BYTES = 32
_SUFFIX = ".kernel"
_LIMIT_BYTES = 512 * 2**20
_STORES_BETWEEN_TRIMS = 256


class CacheInfo(NamedTuple):
    """How often kernels were compiled, loaded from disk and found in memory; where they are kept."""

    compiled: int
    loaded: int
    hits: int
    folder: Path | None


def default_folder() -> Path:
    """`$TRACEGRAPH_CACHE_DIR`, or else the place for caches of this user on this platform."""
    if chosen := os.environ.get("TRACEGRAPH_CACHE_DIR"):
        return Path(chosen)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "tracegraph"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tracegraph"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tracegraph"


@lru_cache(maxsize=1)
def _environment_digest() -> bytes:
    """A hash of all but the kernel that machine code depends on, taken without importing numba."""
    import llvmlite  # here, because an import of tracegraph does without it

    from .loader import host_cpu

    here = Path(__file__).parent
    sources = [
        *(here / f"{name}.py" for name in ("intrinsics", "jit", "loader", "tiles")),
        *sorted(here.glob("vecmath/*.py")),
    ]
    numba = importlib.util.find_spec("numba")
    if numba is not None and numba.origin is not None:
        sources.append(Path(numba.origin).with_name("_version.py"))
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    facts = (llvmlite.__version__, sys.version, platform.machine(), sys.platform, *host_cpu())
    digest.update("\n".join(facts).encode())
    return digest.digest()


class KernelCache:
    """Kernels in memory and on disk; each is compiled once, by whichever process needs it first.

    `folder` is where entries are kept, by default `default_folder()`, looked up at first use. Where it cannot
    be written the cache warns once and goes on in memory. All methods may be called from any thread.

    >>> cache = KernelCache()
    >>> source = "def nothing(args, lo, hi):\\n    pass\\n"
    >>> cache.address(source, "nothing") == cache.address(source, "nothing") != 0
    True
    """

    def __init__(self, folder: Path | str | None = None, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._given_folder = folder
        self._limit_bytes = limit_bytes
        self._lock = threading.RLock()
        self._addresses: dict[tuple[str, str], int] = {}
        self._compiled = self._loaded = self._hits = self._stored = 0
        self._writable = True

    @cached_property
    def _loader(self) -> Loader:
        from .loader import Loader  # here, because it imports llvmlite, which an import of tracegraph does without

        return Loader()

    @cached_property
    def folder(self) -> Path:
        """The folder of the entries on disk, which may not exist yet."""
        return default_folder() if self._given_folder is None else Path(self._given_folder)

    def address(self, source: str, name: str) -> int:
        """The address of the kernel `name` of `source`, loaded or compiled if need be."""
        address = self._addresses.get((source, name))
        if address is None:
            with self._lock:
                return self._missing(source, name)
        self._hits += 1
        return address

    def addresses(self, kernels: Iterable[tuple[str, str]]) -> list[int]:
        """The addresses of many kernels, each given as (name, source)."""
        return [self.address(source, name) for name, source in kernels]

    def remembered(self, question: str, answer: Callable[[], bytes]) -> bytes:
        """What was found out about this machine: as it was kept beside the kernels, or else found out and kept."""
        path = self.folder / (_key(question, "") + _SUFFIX)
        with self._lock:
            known = _read_entry(path)
            if known is None:
                known = answer()
                if self._writable:
                    self._store(path, known)
        return known

    def cache_info(self) -> CacheInfo:
        """Counts since this cache was made."""
        folder = self.folder if self._writable else None
        return CacheInfo(self._compiled, self._loaded, self._hits, folder)

    def _missing(self, source: str, name: str) -> int:
        address = self._addresses.get((source, name))
        if address is None:
            path = self.folder / (_key(source, name) + _SUFFIX)
            address = self._from_disk(path, name) or self._from_source(path, source, name)
            self._addresses[source, name] = address
        return address

    def _from_disk(self, path: Path, name: str) -> int | None:
        """The address of an entry on disk; None where there is none, or none that can be trusted."""
        code = _read_entry(path)
        if code is None:
            return None
        try:
            address = self._loader.load(code, name)
        except RuntimeError:
            return None
        self._loaded += 1
        return address

    def _from_source(self, path: Path, source: str, name: str) -> int:
        from .jit import compile_source  # here, because it imports numba, which a warm start does without

        code = compile_source(source, name)
        self._compiled += 1
        if self._writable:
            self._store(path, code)
        return self._loader.load(code, name)

    def _store(self, path: Path, code: bytes) -> None:
        temporary = path.with_name(f"{path.stem}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_MAGIC + hashlib.sha256(code).digest() + code)
            os.replace(temporary, path)
            if self._stored % _STORES_BETWEEN_TRIMS == 0:
                _trim(path.parent, self._limit_bytes)
        except OSError as error:
            self._writable = False
            warnings.warn(
                f"compiled kernels cannot be kept in {path.parent} ({error}): each process compiles its own; "
                "set TRACEGRAPH_CACHE_DIR to a folder that can be written",
                RuntimeWarning,
                stacklevel=2,
            )
        self._stored += 1


def _key(source: str, name: str) -> str:
    digest = hashlib.sha256(_environment_digest())
    digest.update(f"{name}\n{source}".encode())
    return digest.hexdigest()


def _read_entry(path: Path) -> bytes | None:
    """The machine code of an entry, or None where it is absent, cut short or changed."""
    try:
        entry = path.read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST_BYTES
    if not entry.startswith(_MAGIC) or hashlib.sha256(entry[start:]).digest() != entry[len(_MAGIC) : start]:
        return None
    return entry[start:]


def _trim(folder: Path, limit_bytes: int) -> None:
    """Remove the oldest entries until those that stay fit in `limit_bytes`."""
    entries = []
    for path in folder.iterdir():
        if path.suffix in (_SUFFIX, ".tmp"):
            with suppress(FileNotFoundError):  # another process may just have finished or removed it
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
    excess = sum(size for _, size, _ in entries) - limit_bytes
    for _, size, path in sorted(entries):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


#: The kernels of programs, and the ones that run them: kept apart so that counts tell what programs needed.
default_cache = KernelCache()
runtime_cache = KernelCache()
