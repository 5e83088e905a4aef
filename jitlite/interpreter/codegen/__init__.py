"""Compiles kernel families to native libraries and loads them."""
