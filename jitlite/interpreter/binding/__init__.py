"""Chooses the kernel of each operator and lays out its arguments: one module a family."""
