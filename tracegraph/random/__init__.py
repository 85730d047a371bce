"""Random numbers inside compiled functions and outside, with the methods of NumPy's generators.

>>> import numpy as np
>>> import tracegraph as tg
>>> @tg.compile
... def noisy(x, rng):
...     return x + 0.1 * rng.normal(size=x.shape)
>>> rng = tg.random.default_rng(0)
>>> noisy(np.zeros(3), rng).round(3)
array([ 0.19 ,  0.022, -0.085])
>>> noisy(np.zeros(3), rng).round(3)  # the generator has gone on
array([ 0.117, -0.109, -0.019])

`_generator` is what users call; `_laws` is what each distribution makes of random bits, as NumPy code.
"""

from tracegraph.random._generator import Generator, default_rng

__all__ = ["Generator", "default_rng"]
