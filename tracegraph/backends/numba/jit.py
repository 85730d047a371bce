"""The compiler of kernels: source text in, machine code (an object file) or assembly text out.

Source is Python in the namespace of `intrinsics` and `vecmath`; Numba types and lowers it, LLVM optimises
it for this CPU. Importing this module imports numba, which takes half a second, so it is imported only
when a kernel is really to be compiled. It knows nothing of graphs, of the cache or of who calls the code.
"""

import linecache
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as llvm_ir
from numba.core import bytecode, compiler, funcdesc, interpreter, ir_utils, lowering, postproc, ssa, types
from numba.core.codegen import CodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.targetconfig import ConfigStack
from numba.core.typed_passes import PreLowerStripPhis, type_inference_stage

from . import intrinsics, tiles, vecmath
from .loader import host_cpu, target_machine
from .vecmath import lanes

NAMESPACE: dict[str, Any] = {**intrinsics.NAMESPACE, **tiles.NAMESPACE, **vecmath.NAMESPACE}

_ARGUMENTS = (intrinsics.TABLE, types.int64, types.int64)
_WRAPPER = """
define {returned} @{name}(ptr %args, i64 %lo, i64 %hi) {attributes} {{
  %result = alloca {storage}
  %exception = alloca ptr
  %status = call i32 {native}(ptr %result, ptr %exception, ptr %args, i64 %lo, i64 %hi)
  {finish}
}}
"""
_RETURNS = {
    types.none: {"returned": "void", "storage": "ptr", "finish": "ret void"},
    types.int64: {
        "returned": "i64",
        "storage": "i64",
        "finish": "%value = load i64, ptr %result\n  ret i64 %value",
    },
}


_ARITHMETIC = re.compile(r"= (?:fadd|fsub|fmul|fdiv|call \w+ @\"?(?:llvm|lanes)\.)")
_WIDE_FROM = 2


def compile_source(source: str, name: str) -> bytes:
    """The object file of the kernel `name` in `source`, exporting the symbol `name`.

    >>> code = compile_source("def nothing(args, lo, hi):\\n    pass\\n", "nothing")
    >>> code[1:4] in (b"ELF", b"\\xfa\\xed\\xfe")
    True
    """
    with global_compiler_lock:
        return bytes(_machine().emit_object(_optimised(source, name)))


def compile_ir(source: str, name: str) -> str:
    """The optimised LLVM IR of a kernel, to look at."""
    with global_compiler_lock:
        return str(_optimised(source, name))


def compile_assembly(source: str, name: str) -> str:
    """The assembly text of a kernel, to look at.

    >>> "nothing:" in compile_assembly("def nothing(args, lo, hi):\\n    pass\\n", "nothing")
    True
    """
    with global_compiler_lock:
        return str(_machine().emit_assembly(_optimised(source, name)))


class _TextLibrary(CodeLibrary):  # type: ignore[misc]
    """Numba's place for lowered modules, which only keeps them: optimising is done here, once."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self.module: llvm_ir.Module | None = None
        self.linked: list[CodeLibrary] = []

    def add_ir_module(self, module: llvm_ir.Module) -> None:
        self.module = module

    def add_linking_library(self, library: CodeLibrary) -> None:
        self.linked.append(library)

    def add_llvm_module(self, module: Any) -> None:
        raise NotImplementedError("a kernel is lowered as one module of text")

    def finalize(self) -> None:
        raise NotImplementedError("a kernel is optimised outside Numba")

    def get_function(self, name: str) -> Any:
        raise NotImplementedError("a kernel is optimised outside Numba")

    def get_llvm_str(self) -> str:
        return str(self.module)

    def get_asm_str(self) -> str:
        raise NotImplementedError("a kernel is optimised outside Numba")


class _Frontend:
    """Numba's typing and lowering for the one signature of kernels, set up once per process."""

    def __init__(self) -> None:
        self.typing, target = cpu_target.typing_context, cpu_target.target_context
        target.refresh()
        self.flags = compiler.Flags()
        self.flags.error_model = "numpy"
        self.flags.no_cpython_wrapper = self.flags.no_cfunc_wrapper = True
        self.target = compiler._make_subtarget(target, self.flags)

    def lower(self, function: Callable[..., None]) -> tuple[_TextLibrary, Any]:
        """The unoptimised module of a kernel, and Numba's description of it."""
        with ConfigStack().enter(self.flags):
            code = self._analyse(function)
            typemap, result, calltypes, _ = type_inference_stage(self.typing, self.target, code, _ARGUMENTS, None)
            self._legalise(code)
            descriptor = funcdesc.PythonFunctionDescriptor.from_specialized_function(
                code,
                typemap,
                result,
                calltypes,
                self.target.mangler,
                inline=False,
                noalias=False,
                abi_tags=(),
            )
            library = _TextLibrary(self.target.codegen(), function.__name__)
            with self.target.push_code_library(library):
                lowering.Lower(self.target, library, descriptor, code, metadata={}).lower()
        return library, descriptor

    def _analyse(self, function: Callable[..., None]) -> Any:
        identity = bytecode.FunctionIdentity.from_function(function)
        code = interpreter.Interpreter(identity).interpret(bytecode.ByteCode(identity))
        postproc.PostProcessor(code).run()
        code = ssa.reconstruct_ssa(code)
        code._definitions = ir_utils.build_definitions(code.blocks)
        postproc.PostProcessor(code).run()
        return code

    def _legalise(self, code: Any) -> None:
        PreLowerStripPhis()._strip_phi_nodes(code)
        postproc.PostProcessor(code).run(emit_dels=True)


@lru_cache(maxsize=1)
def _frontend() -> _Frontend:
    return _Frontend()


@lru_cache(maxsize=1)
def _machine() -> llvm.TargetMachine:
    return target_machine()


def _optimised(source: str, name: str) -> llvm.ModuleRef:
    """The module of a kernel after all of LLVM's passes: one exported function, everything else inlined."""
    library, descriptor = _frontend().lower(_function(source, name))
    text = str(library.module)
    by_lanes = lanes.called(text)
    wrapper = _wrapper(name, descriptor, _vector_attribute(text))
    module = llvm.parse_assembly(text + wrapper + lanes.declarations(by_lanes))
    module.name = name
    module.data_layout = str(_machine().target_data)
    _link_helpers(module, library)
    for function in module.functions:
        if not function.is_declaration and function.name != name and function.linkage != llvm.Linkage.linkonce_odr:
            function.linkage = "internal"
    for variable in module.global_variables:
        if variable.linkage != llvm.Linkage.appending:
            variable.linkage = "internal"
    module.verify()
    _optimise(module)
    return _with_lanes(module) if by_lanes else module


def _with_lanes(module: llvm.ModuleRef) -> llvm.ModuleRef:
    """An optimised module with what its loops, which are vectors now, call by lanes put in place."""
    text = str(module)
    complete = llvm.parse_assembly(lanes.without_declarations(text))
    known = {each.name for each in complete.functions if not each.is_declaration}
    complete.link_in(llvm.parse_assembly(lanes.definitions(lanes.called(text))))
    for function in complete.functions:
        if not function.is_declaration and function.name not in known:
            function.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(complete, llvm.create_pass_builder(_machine(), llvm.create_pipeline_tuning_options()))
    return complete


def _function(source: str, name: str) -> Callable[..., None]:
    """Execute kernel source; its lines are registered so that tracebacks of errors show them."""
    filename = f"<kernel {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace = dict(NAMESPACE)
    exec(compile(source, filename, "exec"), namespace)
    if not callable(namespace.get(name)):
        raise ValueError(f"kernel source defines no function {name!r}, expected `def {name}(args, lo, hi)`")
    function: Callable[..., None] = namespace[name]
    return function


def _vector_attribute(text: str) -> str:
    """Ask for 512-bit vectors where arithmetic outweighs memory.

    Measured on AVX-512: a polynomial of 24 operations per element gains a factor 1.3 to 1.6, whereas an
    addition in cache loses up to a fifth, because most arrays are not aligned to such a vector's 64 bytes.
    """
    # One access more per pointer, the reading of its address, is counted in, which keeps short bodies narrow.
    arithmetic = len(_ARITHMETIC.findall(text))
    accesses = text.count("!alias.scope")
    wide = "+avx512f" in host_cpu()[1].split(",") and arithmetic >= _WIDE_FROM * accesses
    return '"prefer-vector-width"="512"' if wide else ""


def _wrapper(name: str, descriptor: Any, attributes: str) -> str:
    """The exported function, which hides Numba's calling convention (two pointers more, and a status)."""
    if descriptor.restype not in _RETURNS:
        raise ValueError(f"kernel {name!r} returns {descriptor.restype}, expected nothing or an int64")
    native = f'@"{descriptor.mangled_name}"'
    return _WRAPPER.format(name=name, native=native, attributes=attributes, **_RETURNS[descriptor.restype])


def _link_helpers(module: llvm.ModuleRef, library: _TextLibrary) -> None:
    """Link what Numba compiled on the side (say, integer powers), if the kernel calls any of it."""
    missing = {f.name for f in module.functions if f.is_declaration}
    for helper in library.linked:
        shared = helper._get_module_for_linking()
        if missing & {f.name for f in shared.functions if not f.is_declaration}:
            module.link_in(shared, preserve=True)


def _optimise(module: llvm.ModuleRef) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    options.loop_interleaving = options.loop_unrolling = True
    builder = llvm.create_pass_builder(_machine(), options)
    builder.getModulePassManager().run(module, builder)
