"""IR text that takes vectors apart and puts them together."""


def indices(places: list[int]) -> str:
    """A shuffle's mask."""
    return f"<{len(places)} x i32> <{', '.join(f'i32 {place}' for place in places)}>"


def run(first: int, count: int) -> str:
    """The mask of `count` neighbours."""
    return indices(list(range(first, first + count)))


def cut(target: str, source: str, kind: str, total: int, first: int, count: int) -> str:
    """IR that names elements [first, first + count) of a vector of `total`."""
    return f"  {target} = shufflevector <{total} x {kind}> {source}, <{total} x {kind}> poison, {run(first, count)}\n"


def joined(name: str, kind: str, total: int, parts: int) -> str:
    """IR that joins %NAME0, %NAME1 … (a power of two of them) to %NAME; one part keeps its name."""
    names, size, text = [f"%{name}{part}" for part in range(parts)], total // parts, ""
    while len(names) > 1:
        pairs = []
        for left, right in zip(names[::2], names[1::2]):
            target = f"%{name}" if len(names) == 2 else f"{left}.{2 * size}"
            text += f"  {target} = shufflevector <{size} x {kind}> {left}, <{size} x {kind}> {right}, {run(0, 2 * size)}\n"
            pairs.append(target)
        names, size = pairs, 2 * size
    return text
