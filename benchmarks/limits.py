"""The limits of the machine, measured: how fast all cores together move memory, and how many multiply-adds they do.

Each probe is a loop in LLVM's language that runs on one thread per core at once, on arrays of its own that are far larger
than the caches. Triad reads two arrays and writes a third. A plain store makes the processor read the line first, so that
four arrays move where a program counts three; a store that bypasses the cache moves three. Both are measured and counted
as three, as what a workload must move is; the limit is the faster one. The multiply-adds are on registers alone, in chains
of the widest vectors that do not wait for each other.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import llvmlite.binding as llvm
import numpy as np

from benchmarks.timing import Effort
from tracegraph.backends.numba.loader import Loader, target_machine

__all__ = ["Limits", "measure"]


class Limits(NamedTuple):
    """In units of 1e9 a second.

    Attributes:
        triad: bytes, counting three arrays, by the better kind of stores.
        plain: the same by plain stores.
        read: bytes of arrays that are only read.
        single: operations on float32, a multiply-add counting as two.
        double: operations on float64.
    """

    triad: float
    plain: float
    read: float
    single: float
    double: float

    def operations(self, dtype: np.dtype) -> float:
        """Of a number type; a complex one is made of two reals."""
        return self.single if dtype in (np.float32, np.complex64) else self.double


#: Independent chains of multiply-adds: latency times throughput is eight to ten on today's cores.
CHAINS = 12
#: Vectors that a turn of the loops over memory takes.
UNROLLED = 4


def measure(threads: int, effort: Effort) -> Limits:
    """All limits, the best of several tries each."""
    words = 4_096 if effort.is_smoke else 1 << 22
    turns = 1_000 if effort.is_smoke else 5_000_000
    lanes = _vector_bits() // 64
    arrays = [[_aligned(words) for _ in range(3)] for _ in range(threads)]
    addresses = [[array.ctypes.data for array in part] for part in arrays]

    def rate(text: str, count: int, amount: int) -> float:
        """What is done in a second, of an amount that each thread does."""
        seconds = _seconds(_loaded(text), count, addresses, effort)
        return threads * amount / seconds / 1e9

    memory = [rate(_triad(lanes, mark), words // lanes // UNROLLED, 24 * words) for mark in (", !nontemporal !0", "")]
    reading = rate(_reading(lanes), words // lanes // UNROLLED, 16 * words)
    peaks = [
        rate(_multiply_adds(count, kind), turns, 2 * turns * CHAINS * count)
        for count, kind in ((2 * lanes, "float"), (lanes, "double"))
    ]
    return Limits(max(memory), memory[1], reading, *peaks)


def _vector_bits() -> int:
    features = llvm.get_host_cpu_features()
    return 512 if features.get("avx512f") else 256 if features.get("avx") else 128


def _aligned(words: int) -> np.ndarray:
    """Ones that begin at a line of the cache."""
    room = np.ones(words + 8)
    first = -room.ctypes.data % 64 // 8
    return room[first : first + words]


def _loaded(text: str) -> Callable[..., None]:
    """The function `probe` of a module; ctypes calls it without the GIL."""
    code = target_machine().emit_object(llvm.parse_assembly(text))
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)
    return kind(_LOADER.load(bytes(code), "probe"))


_LOADER = Loader()


def _seconds(probe: Callable[..., None], count: int, addresses: Sequence[Sequence[int]], effort: Effort) -> float:
    """How long the threads take, each for its own arrays, that begin together; the best of several tries."""
    tries = 1 if effort.is_smoke else 60
    start = threading.Barrier(len(addresses))
    spans: list[list[tuple[float, float]]] = [[] for _ in addresses]

    def run(k: int) -> None:
        for _ in range(tries + 1):
            start.wait()
            begin = time.perf_counter()
            probe(count, *addresses[k])
            spans[k].append((begin, time.perf_counter()))

    workers = [threading.Thread(target=run, args=(k,)) for k in range(len(addresses))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    turns = list(zip(*spans, strict=True))[1:]
    return float(min(max(end for _, end in turn) - min(begin for begin, _ in turn) for turn in turns))


# -- text of the probes: `probe(count, x, y, z)` ----------------------------------------------------------------------


def _loop(carried: Sequence[tuple[str, str, str, str]], before: str, body: str, after: str) -> str:
    """A loop over `%i`; each carried value has a type, a name, a first value and a next one."""
    phis = "".join(
        f"  {name} = phi {kind} [ {first}, %entry ], [ {after}, %loop ]\n" for kind, name, first, after in carried
    )
    return f"""
define void @probe(i64 %count, ptr %x, ptr %y, ptr %z) {{
entry:
{before}  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %following, %loop ]
{phis}{body}  %following = add i64 %i, 1
  %more = icmp slt i64 %following, %count
  br i1 %more, label %loop, label %end
end:
{after}  ret void
}}
"""


def _triad(lanes: int, mark: str) -> str:
    """`z = x + 3 y`, with a mark at the stores."""
    kind = f"<{lanes} x double>"
    three = ", ".join(["double 3.0"] * lanes)
    body = ""
    for k in range(UNROLLED):
        body += f"  %v{k} = add i64 %w, {k}\n"
        body += "".join(f"  %{a}{k} = getelementptr {kind}, ptr %{a}, i64 %v{k}\n" for a in "xyz")
        body += "".join(f"  %{a}v{k} = load {kind}, ptr %{a}{k}, align {8 * lanes}\n" for a in "xy")
        body += f"  %p{k} = fmul {kind} %yv{k}, <{three}>\n  %s{k} = fadd {kind} %xv{k}, %p{k}\n"
        body += f"  store {kind} %s{k}, ptr %z{k}, align {8 * lanes}{mark}\n"
    return _loop((), "", f"  %w = mul i64 %i, {UNROLLED}\n{body}", "") + "!0 = !{i32 1}\n"


def _reading(lanes: int) -> str:
    """Sums of `x` and `y`."""
    kind = f"<{lanes} x double>"
    body, carried = f"  %w = mul i64 %i, {UNROLLED}\n", []
    for k in range(UNROLLED):
        body += f"  %v{k} = add i64 %w, {k}\n"
        for a in "xy":
            body += f"  %{a}{k} = getelementptr {kind}, ptr %{a}, i64 %v{k}\n"
            body += f"  %{a}v{k} = load {kind}, ptr %{a}{k}, align {8 * lanes}\n"
            body += f"  %{a}n{k} = fadd {kind} %{a}s{k}, %{a}v{k}\n"
            carried.append((kind, f"%{a}s{k}", "zeroinitializer", f"%{a}n{k}"))
    return _loop(carried, "", body, _kept(kind, [next_ for *_, next_ in carried]))


def _multiply_adds(lanes: int, element: str) -> str:
    kind, name = f"<{lanes} x {element}>", f"llvm.fma.v{lanes}f{32 if element == 'float' else 64}"
    before, body, carried = "", "", []
    for k in range(CHAINS + 1):
        before += f"  %at{k} = getelementptr {kind}, ptr %x, i64 {k}\n  %first{k} = load {kind}, ptr %at{k}\n"
    for k in range(CHAINS):
        body += f"  %n{k} = call {kind} @{name}({kind} %s{k}, {kind} %first{CHAINS}, {kind} %first{CHAINS})\n"
        carried.append((kind, f"%s{k}", f"%first{k}", f"%n{k}"))
    declared = f"declare {kind} @{name}({kind}, {kind}, {kind})\n"
    return declared + _loop(carried, before, body, _kept(kind, [next_ for *_, next_ in carried]))


def _kept(kind: str, names: Sequence[str]) -> str:
    """Stores of values, without which they would not be computed."""
    text = ""
    for k, name in enumerate(names):
        text += f"  %to{k} = getelementptr {kind}, ptr %z, i64 {k}\n  store {kind} {name}, ptr %to{k}\n"
    return text
