"""Speed of tracegraph against eager NumPy and whichever peers are installed: `python -m benchmarks`, in the root of the
repository. `workloads` is the table of what is timed, `libraries` of who takes part, `rows` measures, `report` prints."""
