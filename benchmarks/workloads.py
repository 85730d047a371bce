"""All workloads, in the order of the table."""

from __future__ import annotations

from benchmarks.contractions import CONTRACTIONS
from benchmarks.derivatives import DERIVATIVES
from benchmarks.forward import FORWARD
from benchmarks.googlenet import GOOGLENET
from benchmarks.gradients import GRADIENTS
from benchmarks.workload import Workload

__all__ = ["WORKLOADS"]

WORKLOADS: tuple[Workload, ...] = (*FORWARD, *CONTRACTIONS, *GOOGLENET, *GRADIENTS, *DERIVATIVES)
