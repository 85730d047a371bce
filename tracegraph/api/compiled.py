"""`compile`: a function that runs as a graph. Here are the call path, the table of signatures and what one can ask of a
compiled function; how a graph is made and run is known elsewhere (`tracer`, `pipeline`)."""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from types import MethodType
from typing import Any, Generic, NamedTuple, overload

from typing_extensions import ParamSpec, TypeVar

from tracegraph import pipeline
from tracegraph.api.containers import Contents, Renewed
from tracegraph.api.memory import Memory, memory_of
from tracegraph.api.paths import MISS, Paths, Segment
from tracegraph.api.profile import Profile, profile_of
from tracegraph.api.signature import leaf_key, leaf_of
from tracegraph.api.tracer import Traced, same_graph
from tracegraph.backends.numba.program import kernel_counts
from tracegraph.errors import LeakError, TraceError, at
from tracegraph.ir import Graph, Where
from tracegraph.tracing import GiveUp, Watch, active_trace, users_part
from tracegraph.tree import LEAF, Structure, flatten, reader, unflatten

__all__ = ["CacheInfo", "Compiled", "Listing", "compile"]

#: How often a kernel is timed: the best counts.
RUNS = 5

P = ParamSpec("P")
R = TypeVar("R")


class CacheInfo(NamedTuple):
    """What a compiled function has kept.

    Attributes:
        signatures: how many signatures it was called with; each has a graph of its own.
        calls: how many calls found theirs.
        kernels: how many different kernels those graphs run.
        compiled: how many kernels were compiled, in this process, for any function.
        loaded: how many were loaded from the disk instead.
    """

    signatures: int
    calls: int
    kernels: int
    compiled: int
    loaded: int


class Listing(str):
    """Text that a prompt shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Compiled(Generic[P, R]):
    """A function that runs as a static graph, one for each signature of its arguments. Made by `compile`."""

    def __init__(
        self,
        function: Callable[P, R],
        *,
        static_argnums: Sequence[int] = (),
        static_argnames: Sequence[str] = (),
        donate_argnums: Sequence[int] = (),
        donate_argnames: Sequence[str] = (),
        body: Callable[..., Any] | None = None,
        watched: Callable[..., Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.__tracegraph_watched__ = watched or function
        self._body: Callable[..., Any] = body or function
        self._is_plain = body is None
        self._static = _names(function, "static", static_argnums, static_argnames)
        self._donated = _names(function, "donated", donate_argnums, donate_argnames)
        if self._static & self._donated:
            raise ValueError(f"argument {min(self._static & self._donated)} can't be both static and donated")
        self._positional = tuple(inspect.signature(function).parameters) if self._static or self._donated else ()
        self._forms: dict[Hashable, _Form] = {}
        self._form: _Form | None = None
        self._calls = 0
        self._watch: Watch | None = None
        self._lock = threading.RLock()
        self._bound: dict[int, Compiled[..., Any]] = {}
        self._before: dict[Hashable, Graph] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        watch, form = self._watch, self._form
        if form is not None and watch is not None and watch.is_current():
            leaves = form.read(args, kwargs)
            if leaves is not None:
                if form.quick is not None:
                    value = form.quick(leaves)
                    if value is not MISS:
                        self._calls += 1
                        return form.finish(value, args, kwargs)  # type: ignore[no-any-return]
                paths = form.entries.get(tuple([leaf_key(leaf) for leaf in leaves]))
                if paths is not None:
                    self._calls += 1
                    form.quick = paths.quick()
                    return form.finish(paths.call(leaves), args, kwargs)  # type: ignore[no-any-return]
        return self._call(args, kwargs)  # type: ignore[no-any-return]

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A compiled method: bound to an instance, it is a compiled function of the other arguments."""
        if instance is None:
            return self
        known = self._bound.get(id(instance))
        if known is None:
            known = self._bound[id(instance)] = Compiled(
                _Method(self._body, instance),
                static_argnames=tuple(self._static),
                donate_argnames=tuple(self._donated),
            )
            weakref.finalize(instance, self._bound.pop, id(instance), None)
        return known

    def __reduce__(self) -> str:
        """Pickled (and copied) as a function is: by its name."""
        return self.__qualname__  # type: ignore[attr-defined,no-any-return]

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if active_trace() is not None:
            return self._body(*args, **kwargs)
        paths, leaves, form = self._found(args, kwargs)
        self._calls += 1
        try:
            return form.finish(paths.call(leaves), args, kwargs)
        except Exception as error:
            raise error.with_traceback(users_part(error.__traceback__))  # noqa: B904

    def _paths(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Paths, list[Any]]:
        """The paths of a signature, with none yet if it is new, and the argument leaves."""
        paths, leaves, _ = self._found(args, kwargs)
        return paths, leaves

    def _found(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Paths, list[Any], _Form]:
        """The same, and how its arguments are nested."""
        call = _Call.split(args, kwargs, self._static, self._positional)
        self._renew()
        with self._lock:
            form = self._forms.get(call.form) or _Form(call, len(args), tuple(kwargs))
            self._forms[call.form] = self._form = form
            paths = form.entries.get(call.keys) or self._new_paths(call)
            form.entries[call.keys] = paths
        return paths, call.leaves, form

    def _path(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], observer: pipeline.Observer | None = None
    ) -> list[Segment]:
        """The stretches that a call with these arguments runs through."""
        paths, leaves = self._paths(args, kwargs)
        return self._segments(paths, leaves, observer)[0]

    def _segments(
        self, paths: Paths, leaves: list[Any], observer: pipeline.Observer | None = None
    ) -> tuple[list[Segment], list[Any]]:
        """The stretches, and the values that the last one takes from."""
        try:
            return paths.path(leaves, observer)
        except GiveUp as reason:
            message = "the function takes too many steps, or too many different ways, to have a graph: it runs as it is"
            raise TraceError(at(message, reason.where)) from None

    def _renew(self) -> None:
        """Forgets all graphs if something that the function reads besides its arguments has changed."""
        if self._watch is None or not self._watch.is_current():
            with self._lock:
                self._before = {
                    (key, keys): paths.traced.graph
                    for key, form in self._forms.items()
                    for keys, paths in form.entries.items()
                    if paths.traced is not None
                }
                self._forms.clear()
                self._form = None
                self._watch = Watch(self.__tracegraph_watched__, self._watch)
                if self._watch.names("random"):
                    import numpy.random  # noqa: F401  (NumPy loads it when it is used, which must not be while tracing)

    def _new_paths(self, call: _Call) -> Paths:
        specs = [leaf_of(leaf, functools.partial(self._describe, call, k)) for k, leaf in enumerate(call.leaves)]
        before = self._before.get((call.form, call.keys))
        return Paths(
            functools.partial(call.apply, self._body),
            specs,
            _definition(self._body),
            getattr(self, "__name__", "the function"),
            is_plain=self._is_plain,
            donated=frozenset(k for k in range(len(call.leaves)) if self._is_donated(call.owner(k))),
            notice=functools.partial(self._notice, before),
            spaces=[] if self._watch is None else self._watch.spaces,
            forget=lambda: None if self._watch is None else self._watch.forget_traced(),
        )

    def _is_donated(self, name: Any) -> bool:
        """Whether an argument, by its name or position, was given away."""
        return bool(self._donated) and (name if isinstance(name, str) else _at(self._positional, name)) in self._donated

    def _notice(self, before: Graph | None, traced: Traced) -> None:
        """Arrays that were seen to make no difference to the graph need not be compared any more."""
        left = None if self._watch is None else self._watch.forget_traced()
        if left is not None:
            message = (
                f"a traced value was kept in {left}, where it would mean nothing once the function has returned; return it, "
                "and keep what the compiled function gives"
            )
            raise LeakError(at(message, _definition(self._body)))
        if self._watch is not None:
            self._watch.release(map(id, traced.borrowed))
        if self._watch is not None and before is not None and same_graph(before, traced.graph):
            self._watch.release(traced.captured)

    def _describe(self, call: _Call, k: int) -> str:
        """Names the argument that a leaf came from."""
        return f"{getattr(self, '__name__', 'the function')}(): argument {call.owner(k)!r}"

    # -- what one can ask ----------------------------------------------------------------------------------------------

    def graph(self, *args: P.args, **kwargs: P.kwargs) -> Graph:
        """The graph for these arguments, after the rewriter has been over it. It prints one node a line.

        Example:
            >>> import numpy as np
            >>> import tracegraph as tg
            >>> print(tg.compile(lambda x: np.exp(x) + 1).graph(np.ones(3)))  # doctest: +ELLIPSIS
            inputs  a: f64[3]
              b: f64[3] = exp(a) ...
        """
        ending = self._path(args, kwargs)[-1].ending
        assert ending is not None, "a path leads to the end of the function"
        return pipeline.optimise(ending.graph)

    def source(self, *args: P.args, **kwargs: P.kwargs) -> Listing:
        """The Python source of the kernels for these arguments, as Numba compiles it."""
        programs = dict.fromkeys(segment.program for segment in self._path(args, kwargs) if segment.program)
        return Listing("\n\n".join(program.source for program in programs))

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Listing:
        """Every stage of the pipeline for these arguments: its name and what it made."""
        stages: list[str] = []
        self._path(args, kwargs, lambda name, value: stages.append(f"== {name}\n{value}"))
        return Listing("\n".join(stages))

    def memory(self, *args: P.args, **kwargs: P.kwargs) -> Memory:
        """What memory a call with these arguments takes, in bytes.

        It is told from the plan, nothing is run; but where the function goes on by a value, it runs up to there. What was
        once taken for a large result or for intermediate values is kept, up to a bound, for later calls.

        Example:
            >>> import numpy as np
            >>> import tracegraph as tg
            >>> x = np.ones((1000, 1000))
            >>> memory = tg.compile(lambda x: np.exp(x) / np.sum(np.exp(x))).memory(x)
            >>> memory.arguments, memory.results
            (8000000, 8000000)
            >>> memory.peak // memory.arguments
            3
        """
        paths, leaves = self._paths(args, kwargs)
        segments, values = self._segments(paths, leaves)
        return memory_of(segments, leaves, values)

    def profile(self, *args: P.args, **kwargs: P.kwargs) -> Profile:
        """How long each kernel takes with these arguments, and which share that is of what the machine can do.

        The kernels run several times, each on the tasks that a call runs it on, but one after the other where a call would
        run them side by side. They write into memory of their own: arguments stay as they are.

        Example:
            >>> import numpy as np
            >>> import tracegraph as tg
            >>> profile = tg.compile(lambda x: np.exp(x) + 1).profile(np.ones(1000))
            >>> [(row.name, row.calls, row.nbytes) for row in profile.rows]
            [('add_exp_loop', 1, 16000)]
        """
        paths, leaves = self._paths(args, kwargs)
        return profile_of(self._segments(paths, leaves)[0], leaves, runs=RUNS)

    def cache_info(self) -> CacheInfo:
        """How many signatures, calls and kernels there have been."""
        entries = [paths for form in self._forms.values() for paths in form.entries.values()]
        programs = [segment.program for paths in entries for segment in paths.segments]
        kernels = {name for program in programs if program is not None for name in program.kernels}
        compiled, loaded = kernel_counts()
        return CacheInfo(len(entries), self._calls, len(kernels), compiled, loaded)


class _Method:
    """A method of one instance, which it does not keep alive: else no instance of a compiled class would ever be freed."""

    def __init__(self, function: Callable[..., Any], instance: Any) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._instance = weakref.ref(instance)
        _, *parameters = inspect.signature(function).parameters.values()
        self.__signature__ = inspect.signature(function).replace(parameters=parameters)

    @property
    def __tracegraph_watched__(self) -> Any:
        return MethodType(self._function, self._instance())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(self._instance(), *args, **kwargs)


class _Call(NamedTuple):
    """The arguments of one call, taken apart.

    Attributes:
        leaves: the arrays and numbers in them.
        structure: how the other arguments are nested.
        static: the arguments that are part of the signature.
        names: which name or position each argument had.
        form: all of the signature but for the leaves.
        keys: what the signature says of each leaf.
    """

    leaves: list[Any]
    structure: Structure
    static: tuple[tuple[Any, Any], ...]
    names: tuple[Any, ...]
    form: Hashable
    keys: tuple[Any, ...]

    @staticmethod
    def split(
        args: tuple[Any, ...], kwargs: dict[str, Any], static: frozenset[str], positional: tuple[str, ...]
    ) -> _Call:
        named: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
        fixed = {
            name: value
            for name, value in named.items()
            if static and (name if isinstance(name, str) else _at(positional, name)) in static
        }
        traced = {name: value for name, value in named.items() if name not in fixed}
        leaves, structure = flatten(list(traced.values()))
        names = tuple(traced)
        keys = tuple([leaf_key(leaf) for leaf in leaves])
        try:
            form = (names, structure, tuple((name, type(value), value) for name, value in fixed.items()))
            hash((form, keys))
        except TypeError:
            raise TypeError(
                f"static arguments must be hashable, {', '.join(map(str, fixed))} got {tuple(fixed.values())!r:.80}; "
                "use tuples in place of lists"
            ) from None
        return _Call(leaves, structure, tuple(fixed.items()), names, form, keys)

    def apply(self, function: Callable[..., Any], leaves: list[Any]) -> Any:
        """Calls a function with other leaves in the same places. What it changes in containers comes with its value."""
        given = unflatten(self.structure, leaves)
        contents = Contents(given)
        values: dict[Any, Any] = {**dict(zip(self.names, given, strict=True)), **dict(self.static)}
        args = [values[k] for k in sorted(name for name in values if isinstance(name, int))]
        value = function(*args, **{name: value for name, value in values.items() if isinstance(name, str)})
        return contents.after(value) if contents else value

    def owner(self, k: int) -> Any:
        """The name or position of the argument that leaf ``k`` belongs to."""
        for name, child in zip(self.names, self.structure.children, strict=True):
            k -= _count(child)
            if k < 0:
                return name
        return k


class _Form:
    """The calls whose arguments are nested alike, with the same static arguments.

    Attributes:
        read: the leaves of arguments of this form, and None of others; it may also say None of arguments of this form.
        entries: the paths of each signature.
        quick: what most likely knows the value of the next call, see `Paths.quick`.
    """

    __slots__ = ("_names", "entries", "quick", "read")

    def __init__(self, call: _Call, positions: int, words: tuple[str, ...]) -> None:
        self._names = call.names
        self.read = _reader_of(call, positions, words)
        self.entries: dict[Hashable, Paths] = {}
        self.quick: Callable[[Sequence[Any]], Any] | None = None

    def finish(self, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the function returns; containers of the caller's that it has changed are changed."""
        if type(value) is not Renewed:
            return value
        return value.put_back([args[name] if isinstance(name, int) else kwargs[name] for name in self._names])


def _reader_of(
    call: _Call, positions: int, words: tuple[str, ...]
) -> Callable[[tuple[Any, ...], dict[str, Any]], Sequence[Any] | None]:
    """See `_Form.read`.

    Args:
        call: a call of the form.
        positions: how many positional arguments it has, static ones too.
        words: the names of its keyword arguments.
    """
    static, parts = call.static, call.structure.children
    if not static and all(part is LEAF for part in parts):
        if not words:
            return lambda args, kwargs: args if len(args) == positions and not kwargs else None
        return lambda args, kwargs: (
            (*args, *kwargs.values()) if len(args) == positions and tuple(kwargs) == words else None
        )
    readers = [(name, isinstance(name, int), reader(part)) for name, part in zip(call.names, parts, strict=True)]

    def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sequence[Any] | None:
        if len(args) != positions or tuple(kwargs) != words:
            return None
        for name, value in static:
            given = args[name] if isinstance(name, int) else kwargs[name]
            if given is not value and (type(given) is not type(value) or given != value):
                return None
        leaves: list[Any] = []
        for name, is_position, read_part in readers:
            if not read_part(args[name] if is_position else kwargs[name], leaves):
                return None
        return leaves

    return read


def _count(structure: Structure) -> int:
    return 1 if structure is LEAF else sum(map(_count, structure.children))


def _at(names: tuple[str, ...], k: int) -> str | None:
    return names[k] if k < len(names) else None


def _names(function: Callable[..., Any], what: str, nums: Sequence[int], names: Sequence[str]) -> frozenset[str]:
    """The names of static or donated arguments, however they were given."""
    nums = (nums,) if isinstance(nums, int) else tuple(nums)
    names = (names,) if isinstance(names, str) else tuple(names)
    if not nums and not names:
        return frozenset()
    parameters = list(inspect.signature(function).parameters)
    unknown = [name for name in names if name not in parameters] + [
        str(k) for k in nums if not -len(parameters) <= k < len(parameters)
    ]
    if unknown:
        raise ValueError(f"{what} argument {unknown[0]} is none of the parameters ({', '.join(parameters)})")
    return frozenset([*names, *(parameters[k] for k in nums)])


def _definition(function: Callable[..., Any]) -> Where | None:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return None if code is None else Where(code.co_filename, code.co_firstlineno, code.co_name)


@overload
def compile(function: Callable[P, R], /) -> Compiled[P, R]: ...


@overload
def compile(
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    donate_argnames: str | Sequence[str] = (),
) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...


@overload
def compile(
    function: Callable[P, R],
    /,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    donate_argnames: str | Sequence[str] = (),
) -> Compiled[P, R]: ...


def compile(
    function: Any = None,
    /,
    *,
    static_argnums: Any = (),
    static_argnames: Any = (),
    donate_argnums: Any = (),
    donate_argnames: Any = (),
) -> Any:
    """Makes a NumPy function run as a static graph in parallel kernels.

    The first call with arguments of some shapes and dtypes traces the function; kernels do not depend on extents, so
    another shape costs milliseconds. Inside another compiled function it is simply part of that one's graph.

    Args:
        function: takes arrays and numbers, or dicts, lists, tuples, named tuples and dataclasses of them, and returns such.
        static_argnums: positions of arguments that are settings: hashable, and each value traces the function again.
        static_argnames: names of such arguments.
        donate_argnums: positions of arguments whose arrays the caller does not need any more: results of their shape and
            dtype may be computed in their memory, and are then these very arrays. What such an array holds after the call
            is a result's, or is undefined. Used are arrays of C order that own their memory and are passed once; of others
            nothing is overwritten.
        donate_argnames: names of such arguments.

    Returns:
        A function of the same signature. Arrays come back as new NumPy arrays, 0-d results as NumPy's scalars.

    Raises:
        TraceError: the function did something that has no meaning on values that are not known yet.
        UnsupportedError: it called a NumPy function that is not traced.

    Example:
        >>> import numpy as np
        >>> @compile
        ... def norm(x):
        ...     return np.sqrt(np.sum(x * x))
        >>> float(norm(np.array([3.0, 4.0])))
        5.0
    """
    options = {
        "static_argnums": static_argnums,
        "static_argnames": static_argnames,
        "donate_argnums": donate_argnums,
        "donate_argnames": donate_argnames,
    }
    if function is None:
        return functools.partial(compile, **options)
    if not callable(function):
        raise TypeError(f"compile: expected a function, got {function!r:.60}; write @tg.compile or tg.compile(f)")
    return Compiled(function, **options)
