"""Compute kernels: one module a family, compiled ahead of their first use by `jitlite.interpreter.codegen`."""
