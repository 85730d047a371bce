"""The native backend, in reading order: `source` (a nest as text), `vecmath` and `intrinsics` (what that text calls), `jit`,
`loader` and `cache` (text to machine code), `pool`, `tape` and `sweeps` (waves of tasks), `blas` and `products`,
`results`, `program` (which links them all). Nothing here imports Numba until a kernel must really be compiled."""
