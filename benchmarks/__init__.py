"""Benchmarks against other engines on the same machine; `python -m benchmarks` runs them all and writes docs/benchmarks.md."""
