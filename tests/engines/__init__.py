"""Models that real engines trained, converted through the front doors and compared with what the engines compute.

Skipped without an import where an engine is not installed; `make test-engines` makes an environment that has them all.
"""
