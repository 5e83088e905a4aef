"""Passes over a graph: folding, rewriting, layout."""
