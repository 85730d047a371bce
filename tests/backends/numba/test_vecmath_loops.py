"""Every scalar function's loop is vector code without calls; what is rare stands apart and is vector code, too."""

import platform
import re
from collections.abc import Callable

import pytest
from backends.numba.test_vecmath_cases import FLOATS, loops

from tracegraph.backends.numba.jit import compile_assembly
from tracegraph.backends.numba.loader import host_cpu
from tracegraph.backends.numba.vecmath import ON_COMPLEX, ROWS
from tracegraph.backends.numba.vecmath.rows import Row
from tracegraph.backends.numba.vecmath.value import Kind
from tracegraph.ops import ALL

HAS_AVX = "+avx2" in host_cpu()[1].split(",")
DTYPES = (*FLOATS, "int32", "uint64", "bool", "complex64", "complex128")
#: Wide registers, conversions that halve the width, or a plain copy.
VECTORS = re.compile(r"%[yz]mm|vcvt\w+psy|vcvtps2ph\w*y|memcpy")
FAMILIES = {"f": "float", "i": "signed", "u": "unsigned", "b": "boolean", "c": "complex"}
STEMS = {"float": "float", "signed": "int", "unsigned": "uint", "complex": "complex"}

#: Functions on one dtype alone, with which halves are kept.
OF_HALVES = {"from_half": "uint16", "to_half": "float32", "round_to_half": "float32"}
#: What is scalar code, and why.
SCALAR = {
    (name, "uint64"): "no CPU divides vectors of 64-bit integers" for name in ("floor_divide", "remainder", "fmod")
}
#: C's functions that are called, and why.
CALLED = {"gammaln": "lgamma, for numbers below 0, in lanes that hold one"}


def kind_of(dtype: str) -> Kind:
    return Kind(FAMILIES[dtype[0]], 1 if dtype == "bool" else int(re.sub(r"\D", "", dtype)))


def dtype_of(kind: Kind) -> str:
    return "bool" if kind.family == "boolean" else f"{STEMS[kind.family]}{kind.bits}"


def takes(row: Row, dtype: str) -> bool:
    if row.name in OF_HALVES:
        return OF_HALVES[row.name] == dtype
    family = kind_of(dtype).family
    return family in row.emitters or (family == "complex" and row.name in ON_COMPLEX)


def assembly(row: Row, dtype: str) -> str:
    """That of a loop of one function."""
    operands = ["bool"] * row.conditions + [dtype] * (row.arity - row.conditions)
    return compile_assembly(loops({row.name: dtype_of(row.result_of(kind_of(dtype)))}, operands), "each")


def faults(code: str, may_call: bool) -> list[str]:
    """What is wrong with the assembly of a loop."""
    loop = code[code.index("\neach:") :].split(".Lfunc_end")[0]
    found = [] if VECTORS.search(loop) else ["no vectors"]
    called = set(re.findall(r"\bcallq?\s+\*?([\w.%]+)", code))
    return found if may_call else [*found, *(name for name in called if not name.startswith("lanes.cold"))]


@pytest.mark.skipif(not HAS_AVX, reason="this looks for AVX's registers")
@pytest.mark.parametrize("dtype", [*DTYPES, "uint16"])
def test_loops_are_vectors_and_call_nothing(dtype: str) -> None:
    """All functions but those that have a reason."""
    wrong = {}
    for row in ROWS:
        if takes(row, dtype) and (dtype != "uint16" or row.name in OF_HALVES) and (row.name, dtype) not in SCALAR:
            found = faults(assembly(row, dtype), row.name in CALLED)
            if found:
                wrong[row.name] = found
    assert not wrong


def test_every_operation_of_kernels_is_among_them() -> None:
    """The function that an elementwise operation calls in kernels is one of those above."""
    names = {row.name for row in ROWS}
    for op in ALL.values():
        if op.kind == "elementwise" and op.loop is not None:
            assert {each for each in re.findall(r"(\w+)\(", op.loop) if "{" not in each} <= names | {"cast_"}, op.name


def test_faults_are_seen() -> None:
    """A loop that calls C's function, and one without vectors."""
    assert faults("\neach:\n vmulpd %zmm1, %zmm2\n callq expf\n.Lfunc_end0", may_call=False) == ["expf"]
    assert faults("\neach:\n mulsd %xmm1, %xmm2\n.Lfunc_end0", may_call=False) == ["no vectors"]
    assert not faults("\neach:\n vmulps %ymm1, %ymm2\n callq lanes.cold_sin.8\n.Lfunc_end0", may_call=False)


#: CPUs without AVX-512, with and without fused multiplications.
OLDER = {"haswell": "+sse2,+avx,+avx2,+fma,+f16c", "x86-64": "+sse2"}
#: Each function beside NumPy's, on a CPU that is told.
BESIDE_NUMPY = """
import numpy as np
from tracegraph.backends.numba import loader
loader.host_cpu = lambda: ({name!r}, {features!r})
import ctypes
from tracegraph.backends.numba.jit import compile_source
from tracegraph.backends.numba.vecmath.scaling import HAS_AVX512
assert not HAS_AVX512
names = "exp log log2 log10 log1p sin cos tan arctan arcsinh arctanh sinh cosh tanh cbrt power fmod".split()
kernel = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
libraries = loader.Loader()
for dtype in ("float32", "float64"):
    x = [0.3, 0.9, 1e-40, 7.0, 1e10, 1e30, -0.5, -3.0, -0.0, 0.0, np.inf, -np.inf, np.nan, 0.99, 2.5, 80.0, 1.0]
    y = [0.2, 3.0, 2.0, 1e-3, 0.7, 1e-5, -3.0, 2.0, -1.0, 0.5, 0.0, 3.0, 0.0, np.inf, -9.5, np.nan, 1e38]
    x, y = np.array(x, dtype), np.array(y, dtype)
    for name in names:
        binary = name in ("power", "fmod")
        operands = [x, y] if binary else [x]
        pointers = "".join(f"    p{{k}} = pointer(args, {{k}}, {{dtype}})\\n" for k in range(len(operands) + 1))
        loads = ", ".join(f"load(p{{k}}, i)" for k in range(len(operands)))
        body = f"    for i in range(lo, hi):\\n        store(p{{len(operands)}}, i, {{name}}({{loads}}))\\n"
        code = compile_source(f"def {{name}}_{{dtype}}(args, lo, hi):\\n{{pointers}}{{body}}", f"{{name}}_{{dtype}}")
        out = np.empty_like(x)
        table = np.array([each.ctypes.data for each in (*operands, out)], np.int64)
        kernel(libraries.load(code, f"{{name}}_{{dtype}}"))(table.ctypes.data, 0, x.size)
        with np.errstate(all="ignore"):
            expected = getattr(np, name)(*operands)
        np.testing.assert_allclose(out, expected, rtol=4 * np.finfo(dtype).eps, err_msg=name)
print("same")
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are CPUs by Intel")
@pytest.mark.parametrize("name", OLDER)
def test_older_cpus_get_the_same(python: Callable[..., str], name: str) -> None:
    """What has no instruction of its own there is computed otherwise, rare operands included."""
    assert python(BESIDE_NUMPY.format(name=name, features=OLDER[name])) == "same"
