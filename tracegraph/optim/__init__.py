"""Update rules: `_transform` (what a link is, `chain`, `minimise`), `_links`, `_rules`, in reading order.

>>> from tracegraph.symbolic import Parameter, run
>>> w = Parameter(4.0)
>>> step = minimise(chain(clip_by_global_norm(1.0), scale(-0.5)), w * w, [w])
>>> run(step)
>>> w.get_value()
array(3.5)
"""

import tracegraph.symbolic  # noqa: F401 - it re-exports rules, so whichever is asked for, it has to be loaded first
from tracegraph.optim._links import (
    add_decayed_weights,
    clip_by_global_norm,
    scale,
    scale_by_adadelta,
    scale_by_adam,
    scale_by_rms,
    scale_by_rss,
    trace,
)  # fmt: skip
from tracegraph.optim._rules import (
    adadelta,
    adagrad,
    adam,
    adamw,
    momentum,
    nesterov_momentum,
    rmsprop,
    sgd,
)  # fmt: skip
from tracegraph.optim._transform import Transform, chain, minimise, slots

__all__ = [
    "Transform", "adadelta", "adagrad", "adam", "adamw", "add_decayed_weights", "chain", "clip_by_global_norm",
    "minimise", "momentum", "nesterov_momentum", "rmsprop", "scale", "scale_by_adadelta", "scale_by_adam",
    "scale_by_rms", "scale_by_rss", "sgd", "slots", "trace",
]  # fmt: skip
