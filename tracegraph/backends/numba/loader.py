"""Loads object files into this process: bytes come in, addresses of functions go out.

Also describes the host CPU, for which the objects are made. It needs llvmlite alone, never numba, so that
a warm start costs milliseconds. It knows nothing of source text, caches or what the functions do.
"""

import os
import threading
from functools import cached_property, lru_cache

import llvmlite.binding as llvm


@lru_cache(maxsize=1)
def host_cpu() -> tuple[str, str]:
    """The name and the feature string of the CPU that this process runs on."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def target_machine() -> llvm.TargetMachine:
    """A new LLVM target machine for this CPU: position-independent code for loading in memory."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = host_cpu()
    # Windows objects must be ELF to be loaded in memory, which llvmlite arranges for "jitdefault" only.
    model = {"codemodel": "jitdefault"} if os.name == "nt" else {"codemodel": "small", "reloc": "pic"}
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=name, features=features, opt=3, jit=True, **model)


class Loader:
    """Links object files into memory, each in a name space of its own, and keeps them there for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._libraries: list[llvm.ResourceTracker] = []

    @cached_property
    def _engine(self) -> llvm.LLJIT:
        return llvm.create_lljit_compiler(target_machine())

    def load(self, code: bytes, name: str) -> int:
        """The address of the function `name` in the object file `code`.

        Raises RuntimeError where the bytes are no object file for this machine, or lack the symbol.
        """
        with self._lock:
            builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(name)
            library = builder.link(self._engine, f"{name} {len(self._libraries)}")
            self._libraries.append(library)
        return int(library[name])
