"""Generators: what a state is, how draws advance it in and out of compiled functions, streams, shapes, errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.random import Generator, default_rng

METHODS: dict[str, Callable[[Generator], Any]] = {
    "random": lambda rng: rng.random((3, 5)),
    "random f32": lambda rng: rng.random((3, 5), np.float32),
    "standard_normal": lambda rng: rng.standard_normal(7),
    "standard_normal f32": lambda rng: rng.standard_normal(7, dtype=np.float32),
    "standard_exponential": lambda rng: rng.standard_exponential(7),
    "standard_cauchy": lambda rng: rng.standard_cauchy(7),
    "uniform": lambda rng: rng.uniform([0.0, 1.0], 3, (4, 2)),
    "normal": lambda rng: rng.normal(np.arange(3.0)),
    "lognormal": lambda rng: rng.lognormal(1, 0.5, 7),
    "exponential": lambda rng: rng.exponential(2.0, 7),
    "laplace": lambda rng: rng.laplace(1.0, 2.0, 7),
    "logistic": lambda rng: rng.logistic(1.0, 2.0, 7),
    "gumbel": lambda rng: rng.gumbel(1.0, 2.0, 7),
    "rayleigh": lambda rng: rng.rayleigh(2.0, 7),
    "weibull": lambda rng: rng.weibull(1.5, 7),
    "pareto": lambda rng: rng.pareto(3.0, 7),
    "power": lambda rng: rng.power(3.0, 7),
    "triangular": lambda rng: rng.triangular(-1.0, 0.5, 3.0, 7),
    "wald": lambda rng: rng.wald(2.0, 3.0, 7),
    "integers": lambda rng: rng.integers(10, size=(2, 3)),
    "integers u8": lambda rng: rng.integers(0, 256, 9, np.uint8),
    "integers, all": lambda rng: rng.integers(0, 2**64, 9, np.uint64),
    "integers of bounds": lambda rng: rng.integers([-5, 0], [0, 2**40], endpoint=True),
    "standard_gamma f32": lambda rng: rng.standard_gamma(0.5, 7, np.float32),
    "gamma": lambda rng: rng.gamma([1.0, 2.0], 3.0, (4, 2)),
    "beta": lambda rng: rng.beta(1.0, 2.0, 7),
    "chisquare": lambda rng: rng.chisquare(3, 7),
    "noncentral_chisquare": lambda rng: rng.noncentral_chisquare(3, 1.0, 7),
    "f": lambda rng: rng.f(3, 4, 7),
    "noncentral_f": lambda rng: rng.noncentral_f(3, 4, 1.0, 7),
    "standard_t": lambda rng: rng.standard_t(4, 7),
    "vonmises": lambda rng: rng.vonmises(0.5, 4, 7),
    "binomial": lambda rng: rng.binomial([10, 20], 0.5),
    "negative_binomial": lambda rng: rng.negative_binomial(4, 0.5, 7),
    "poisson": lambda rng: rng.poisson([[1.0], [20.0]], (2, 3)),
    "geometric": lambda rng: rng.geometric(0.3, 7),
    "hypergeometric": lambda rng: rng.hypergeometric(5, 4, 3, 7),
    "logseries": lambda rng: rng.logseries(0.5, 7),
    "zipf": lambda rng: rng.zipf(2.0, 7),
    "dirichlet": lambda rng: rng.dirichlet([1.0, 2.0, 3.0], (2, 2)),
    "multinomial": lambda rng: rng.multinomial([10, 4], [0.2, 0.8]),
    "multivariate_hypergeometric": lambda rng: rng.multivariate_hypergeometric([5, 4, 3], 4, 2),
    "multivariate_normal": lambda rng: rng.multivariate_normal([0.0, 1.0], np.eye(2), (2, 2)),
    "choice": lambda rng: rng.choice(5, 3),
    "choice by weight": lambda rng: rng.choice(3, (2, 4), p=[0.1, 0.2, 0.7]),
    "choice without replacement": lambda rng: rng.choice(9, 4, replace=False),
    "choice by weight without replacement": lambda rng: rng.choice(3, 2, False, [0.1, 0.2, 0.7]),
    "permutation": lambda rng: rng.permutation(6),
    "spawn": lambda rng: [child.random(3) for child in rng.spawn(2)],
}


@pytest.mark.parametrize("name", METHODS)
def test_compiled_draws_are_those_outside(name: str) -> None:
    """To the bit, and the generator that was an argument has gone on as far."""
    one, other = default_rng(5), default_rng(5)
    for _ in range(2):
        compiled, plain = tg.compile(METHODS[name])(one), METHODS[name](other)
        np.testing.assert_array_equal(np.asarray(compiled), np.asarray(plain), strict=True)
        np.testing.assert_array_equal(one.state, other.state)
    assert one.state[1] > 0


def test_draws_among_other_work_are_the_same() -> None:
    """What a draw is fused with does not change it."""

    def function(x: np.ndarray, rng: Generator) -> Any:
        first = rng.normal(x, 2.0)
        return first, np.sum(np.exp(rng.random(x.shape)) * first), rng.exponential(x)

    x = np.linspace(1, 2, 10_007)
    compiled, plain = tg.compile(function)(x, default_rng(1)), function(x, default_rng(1))
    np.testing.assert_array_equal(compiled[0], plain[0])
    np.testing.assert_array_equal(compiled[2], plain[2])
    assert compiled[1] == pytest.approx(plain[1])


def test_seeds() -> None:
    """Equal seeds give equal numbers, others others; a generator is its own seed."""
    for seed in (0, 2**100, [1, 2], np.random.SeedSequence(3)):
        np.testing.assert_array_equal(default_rng(seed).random(4), default_rng(seed).random(4))
    firsts = {default_rng(seed).random() for seed in (*range(100), None, None)}
    assert len(firsts) == 102
    rng = default_rng(1)
    assert default_rng(rng) is rng
    with pytest.raises(ValueError, match="non-negative"):
        default_rng(-1)
    with pytest.raises(TypeError, match="SeedSequence"):
        default_rng("a")


#: Calls that NumPy and we answer alike in kind: type, dtype, shape; or by the same error.
ALIKE = """
random() random(()) random(3) random((2,0)) random(dtype='f4') random(np.int64(2)) random([2,3]) normal([1,2])
normal(0,1,()) normal() integers(10) integers(5,dtype=int) integers(0,2,dtype=bool) integers(3,size=2,dtype='i2')
integers(2,[5,9]) integers(-2**63,2**63,3) poisson() poisson([1,2]) binomial(3,.5) standard_gamma(2.)
gamma([1.,2.],[[3.],[4.]]) standard_gamma(2.,3,'f4') choice([1.,2.]) choice([[1,2],[3,4]],3)
choice([[1,2],[3,4]],3,axis=1) choice(4,0) choice(4,()) permutation(4) permutation([3,4])
permutation([[1,2,3]],axis=1) permuted([[1,2],[3,4]]) permuted([[1,2],[3,4]],axis=0) dirichlet([1.,2.])
dirichlet([1.,2.],3) multinomial(3,[.5,.5]) multinomial([3,4],[.5,.5]) multinomial(3,[.5,.5],(2,2))
multivariate_normal([0,0],[[1,0],[0,1]]) multivariate_normal([0,0],[[1,0],[0,1]],3) bytes(5) uniform(2,3,None)
wald(1,2) random(-1) random(2.5) random(dtype=int) random(3,out=np.zeros(2)) random(out=np.zeros(2,'f4')) normal(0,-1)
normal([1,2],1,3) normal([1,2],[1,2,3]) uniform(1,0) uniform(0,np.inf) exponential(-1) gamma(-1) beta(0,1)
chisquare(0) wald(0,1) power(0) triangular(2,1,3) triangular(0,4,3) triangular(1,1,1) standard_t(0) vonmises(0,-1)
binomial(3,[2.]) binomial(3,2.) binomial(-1,.5) poisson(-1) poisson([-1.]) geometric(0) zipf(1.) logseries(1.)
hypergeometric(1,1,3) negative_binomial(0,.5) integers(0) integers(5,5) integers(5,4,endpoint=True)
integers(-1,endpoint=True) integers(0,257,dtype='u1') integers(-1,3,dtype='u1') integers(3,dtype=float) choice(0)
choice([]) choice(2.5) choice(3,5,False) choice(3,p=[.5,.5]) choice(3,p=[.5,.6,.1]) choice(2,p=[1.5,-.5])
choice(1,p=[[1.]]) choice(3,2,False,[1.,0.,0.]) permutation(2.5) permutation([1],axis=1) dirichlet([-1.])
multivariate_normal([[1]],[[1]]) multivariate_normal([1],[1]) multivariate_normal([1,2],[[1]])
multivariate_normal([1],[[1]],method='x') multivariate_normal([1],[[1]],check_valid='x')
multivariate_normal([0,0],[[1,2],[2,1]],check_valid='raise') multivariate_hypergeometric([3,2],6) shuffle(3)
""".split()


@pytest.mark.parametrize("call", ALIKE)
def test_kinds_and_errors_are_those_of_numpy(call: str) -> None:
    """What comes back is of the same type, dtype and shape, and what is refused is refused with the same words."""

    def outcome(rng: Any) -> tuple[Any, ...]:
        try:
            value = eval(f"rng.{call}", {"rng": rng, "np": np})
        except Exception as error:
            return type(error), str(error).splitlines()[0]
        return type(value), getattr(value, "dtype", None), np.shape(value)

    assert outcome(default_rng(0)) == outcome(np.random.default_rng(0))


def test_arrays_are_filled() -> None:
    """`out` is what is returned, in a compiled function too."""
    out = np.zeros((2, 3))
    assert default_rng(1).random(out=out) is out
    np.testing.assert_array_equal(out, default_rng(1).random((2, 3)))
    filled = np.zeros((2, 3))
    tg.compile(lambda rng, x: rng.random(out=x))(default_rng(1), filled)
    np.testing.assert_array_equal(out, filled)


def test_order_in_place() -> None:
    """Arrays and lists are shuffled; rows stay whole; permuted rows have orders of their own."""
    rng = default_rng(2)
    x = np.arange(20).reshape(10, 2)
    rng.shuffle(x)
    np.testing.assert_array_equal(x[:, 1], x[:, 0] + 1)
    assert sorted(x[:, 0]) == list(range(0, 20, 2)) != list(x[:, 0])
    items = list("abcdef")
    rng.shuffle(items)
    assert sorted(items) == list("abcdef") != items
    rows = rng.permuted(np.tile(np.arange(8), (9, 1)), axis=1)
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(np.arange(8), (9, 1)))
    assert len({tuple(row) for row in rows}) == 9


def test_streams_are_apart() -> None:
    """Children differ from their parent, from each other and from later ones; a jump is far."""
    rng = default_rng(3)
    streams = [*rng.spawn(3), *rng.spawn(2), rng.jumped(), rng.jumped(2), rng]
    draws = np.concatenate([stream.integers(0, 2**63, 500) for stream in streams])
    assert np.unique(draws).size == draws.size
    assert rng.jumped().state[1] == rng.state[1] + np.uint64(2**48)
    normals = np.array([stream.normal(size=20_000) for stream in streams])
    assert np.max(np.abs(np.corrcoef(normals) - np.eye(len(streams)))) < 0.04


def test_numbers_take_the_dtype_of_what_they_meet() -> None:
    """A single draw is a Python number in NumPy, so float32 stays float32."""
    x = np.ones(2, np.float32)
    assert tg.compile(lambda x, rng: x * rng.normal())(x, default_rng(0)).dtype == np.float32
    assert (x * default_rng(0).normal()).dtype == np.float32


def test_generators_nested_in_arguments() -> None:
    """Wherever in its arguments a function finds one."""
    state = {"rng": default_rng(4), "x": np.zeros(3)}
    first = tg.compile(lambda state: state["x"] + state["rng"].random(3))(state)
    np.testing.assert_array_equal(first, default_rng(4).random(3))
    assert state["rng"].state[1] == 3


def test_made_inside() -> None:
    """A generator that the function makes begins anew at each call; without a known seed it is refused."""
    function = tg.compile(lambda x: x + default_rng(5).normal(size=3))
    for _ in range(2):
        np.testing.assert_array_equal(function(np.zeros(3)), default_rng(5).normal(size=3))
    with pytest.raises(tg.TraceError, match="needs a seed"):
        tg.compile(lambda x: x + default_rng().random())(1.0)
    with pytest.raises(tg.TraceError, match="needs a seed"):
        tg.compile(lambda seed: default_rng(seed).random())(1)


def test_made_outside() -> None:
    """A generator that the function reads goes on with each call."""
    rng, other = default_rng(6), default_rng(6)
    function = tg.compile(lambda x: x + rng.normal(size=3))
    for _ in range(3):
        np.testing.assert_array_equal(function(np.zeros(3)), other.normal(size=3))
    np.testing.assert_array_equal(rng.state, other.state)


def test_bytes_are_refused_in_a_trace() -> None:
    """There are no bytes in a graph."""
    with pytest.raises(tg.UnsupportedError, match=r"rng\.integers\(0, 256"):
        tg.compile(lambda rng: rng.bytes(3))(default_rng(0))


def test_a_size_costs_no_kernel() -> None:
    """The kernels of one size are those of every other."""
    function = tg.compile(lambda x, rng: x + rng.normal(size=x.shape))
    function(np.zeros(100), default_rng(0))
    before = function.cache_info()
    function(np.zeros(200), default_rng(0))
    assert function.cache_info().kernels == before.kernels


def test_generators_of_numpy_as_arguments_are_refused() -> None:
    """With what to make instead."""
    with pytest.raises(TypeError, match=r"tg\.random\.default_rng\(seed\)"):
        tg.compile(lambda rng: rng.random())(np.random.default_rng(0))


@pytest.mark.parametrize("method", ["svd", "eigh", "cholesky"])
def test_covariance_as_an_argument(method: str) -> None:
    """It is taken apart as outside."""

    def function(mean: np.ndarray, cov: np.ndarray, rng: Generator) -> Any:
        return rng.multivariate_normal(mean, cov, (3, 2), method=method)

    args = np.array([0.0, 1.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
    np.testing.assert_array_equal(tg.compile(function)(*args, default_rng(0)), function(*args, default_rng(0)))


def test_draws_that_decide() -> None:
    """A loop that goes on until a draw says so takes as many as outside."""

    def walk(limit: float, rng: Generator) -> Any:
        place, steps = 0.0, 0
        while place < limit:
            place += rng.exponential()
            steps += 1
        return steps, place

    one, other = default_rng(7), default_rng(7)
    compiled = tg.compile(walk)
    for _ in range(3):
        assert compiled(3.0, one) == walk(3.0, other)
        np.testing.assert_array_equal(one.state, other.state)


def test_many_draws_in_one_function() -> None:
    """A long loop of draws, on arrays shorter than a vector."""

    def function(x: np.ndarray, rng: Generator) -> np.ndarray:
        for _ in range(30):
            x = x + rng.normal(size=x.shape)
        return x

    for n in (1, 3, 4, 7, 9):
        np.testing.assert_array_equal(
            tg.compile(function)(np.ones(n), default_rng(n)), function(np.ones(n), default_rng(n))
        )


def test_derivatives_advance_too() -> None:
    """The generator of a differentiated function has gone on once."""
    rng = default_rng(8)
    slope = tg.grad(lambda x, rng: np.sum(rng.normal(x, 2.0) ** 2))(np.ones(3), rng)
    np.testing.assert_allclose(slope, 2 * default_rng(8).normal(np.ones(3), 2.0))
    assert rng.state[1] == 6
