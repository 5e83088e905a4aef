"""A grid of models that TensorFlow's converter makes, run in LiteRT's reference kernels and in jitlite.

`generate` (needs TensorFlow) turns the tables of the `families_*` modules into a folder of models and their inputs; `run` (needs LiteRT)
runs that folder and prints a table. Parameter values follow those of TensorFlow Lite's own tests of converted operators.

    python -m tests.grid.generate FOLDER [FAMILY ...]
    python -m tests.grid.run FOLDER [FAMILY ...]
"""
