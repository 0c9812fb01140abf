"""The benchmarks: every speed is a ratio of two or more ways that took turns in one run.

`run.run_benchmarks` measures by name and returns a `report.Report`, which renders docs/benchmarks.md.
"""
