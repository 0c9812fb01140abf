"""The benchmarks: every speed is a ratio of two or more ways that took turns in one run.

`run.run_benchmarks` measures by name and yields reports that grow, which render docs/benchmarks.md.
"""
