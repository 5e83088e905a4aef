"""Errors of planning that say which operator they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from jitlite.schemas.errors import InvalidModelError, UnsupportedError


@contextmanager
def located(where: Callable[[], str]) -> Iterator[None]:
    """Puts the operator into errors that lack it. Whatever else fails while an operator is planned is a JitliteError too.

    Floating-point exceptions pass in silence: what becomes of numbers that are not finite is for their rules to say.
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except (InvalidModelError, UnsupportedError) as error:
        text = str(error)
        if text.startswith("subgraph "):
            raise
        raise type(error)(f"{where()}: {text}") from None
    except MemoryError:
        raise UnsupportedError(f"{where()}: memory to plan it is required, found less in this system") from None
    except (ArithmeticError, AssertionError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise UnsupportedError(f"{where()}: an operator that can be planned is required, found one that fails: {error!r}") from error
