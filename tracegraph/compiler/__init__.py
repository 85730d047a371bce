"""From a graph to a plan, in reading order: `inplace` (which updates need no copy), `materialise` (views and copies), `nest`
(the language of loop nests), `nesting`, `kernel`, `cost`, `split`, `fuse`, `schedule` (waves), `memory` (the arena),
`reach`, `sweep` and `skew` (which kernels run row block by row block)."""
