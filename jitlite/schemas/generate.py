"""Writes tables.py from tflite.fbs and metadata_tables.py from metadata.fbs: `python -m jitlite.schemas.generate`.

Needs `flatc`; only who changes a schema runs this.

Classes that are reached through a union are made when they are first asked for. Type checkers do not see that; they read tables.pyi, where
every class is a plain statement.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from jitlite.schemas.decode import Decoder
from jitlite.schemas.table import Table, number, table, tables, text

FOLDER = Path(__file__).parent
MODULES = {
    "tflite.fbs": ("tables", "The tables and enums of the .tflite file format."),
    "metadata.fbs": ("metadata_tables", "The tables and enums of the metadata in .tflite files."),
}
"""By schema the module made of it, and what its docstring says."""
WIDTH = 140
FORMATS = {2: "?", 3: "b", 4: "B", 5: "h", 6: "H", 7: "i", 8: "I", 9: "q", 10: "Q", 11: "f", 12: "d"}
FIELDS = ("choice", "choices", "number", "numbers", "raw", "table", "tables", "text", "union")
UNION_TYPE, BOOL, UBYTE, FLOAT, DOUBLE, TEXT, VECTOR, TABLE, UNION = 1, 2, 4, 11, 12, 13, 14, 15, 16


class Type(Table):
    base_type: int = number(0, "b", default=0)
    element: int = number(1, "b", default=0)
    index: int = number(2, "i", default=-1)


class KeyValue(Table):
    key: str = text(0, default="")
    value: str = text(1, default="")


class EnumValue(Table):
    name: str = text(0, default="")
    value: int = number(1, "q", default=0)
    union_type: Type | None = table(3, Type, default=None)


class Enum(Table):
    name: str = text(0, default="")
    values: list[EnumValue] = tables(1, EnumValue, default_factory=list)
    is_union: bool = number(2, "?", default=False)
    underlying_type: Type | None = table(3, Type, default=None)


class Field(Table):
    name: str = text(0, default="")
    type: Type | None = table(1, Type, default=None)
    id: int = number(2, "H", default=0)
    default_integer: int = number(4, "q", default=0)
    default_real: float = number(5, "d", default=0.0)
    deprecated: bool = number(6, "?", default=False)
    attributes: list[KeyValue] = tables(9, KeyValue, default_factory=list)


class Object(Table):
    name: str = text(0, default="")
    fields: list[Field] = tables(1, Field, default_factory=list)


class Schema(Table):
    """A schema as `flatc --schema` writes it; the slots are those of the FlatBuffers reflection format."""

    objects: list[Object] = tables(0, Object, default_factory=list)
    enums: list[Enum] = tables(1, Enum, default_factory=list)


def main() -> int:
    for source, (stem, _) in MODULES.items():
        for name, content in generate(FOLDER / source, stem).items():
            (FOLDER / name).write_text(content, encoding="utf-8")
    return 0


def generate(source: Path, stem: str = "tables") -> dict[str, str]:
    """The texts of the module `stem` and its stub for a schema."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["flatc", "-b", "--schema", "--bfbs-builtins", "-o", folder, str(source)], check=True)
        data = (Path(folder) / source.with_suffix(".bfbs").name).read_bytes()
    schema = Decoder(memoryview(data), b"BFBS").root(Schema)
    return {f"{stem}.py{'i' * is_stub}": _Writer(schema, source.name, is_stub=bool(is_stub)).module() for is_stub in (0, 1)}


class _Writer:
    def __init__(self, schema: Schema, source: str, is_stub: bool) -> None:
        self.source = source
        self.objects = schema.objects
        self.enums = schema.enums
        self.is_stub = is_stub
        self.blank = [""] if is_stub else ["", ""]
        unions = [kind for kind in schema.enums if kind.is_union]
        self.members = {
            schema.objects[item.union_type.index].name for kind in unions for item in kind.values if item.value and item.union_type
        }
        self.lines: list[str] = []
        self.written: set[str] = set()

    def module(self) -> str:
        for kind in self.enums:
            if not kind.is_union:
                self._enum(kind)
        for table_kind in self.objects:
            self._object(table_kind)
        names = ["Table"] if self.is_stub else ["LazyTables", "Table"]
        fields = {field for field in FIELDS if any(f" = {field}(" in line for line in self.lines)} | (set() if self.is_stub else {"made"})
        head = [
            f"# generated from {self.source} by `python -m jitlite.schemas.generate`; do not edit",
            f'"""{MODULES[self.source][1]}"""',
            "",
            "from __future__ import annotations",
            "",
            *(["from collections.abc import Mapping", ""] if self.is_stub else []),
            "from jitlite.schemas.choice import Choice",
            f"from jitlite.schemas.table import {', '.join([*names, *sorted(fields)])}",
            *([] if self.is_stub else _LAZY_LOOKUP),
        ]
        return "\n".join(head + self.lines) + "\n"

    def _enum(self, kind: Enum) -> None:
        self.lines += [*self.blank, f"class {_short(kind.name)}(Choice):"]
        self.lines += [f"    {item.name} = {item.value}" for item in sorted(kind.values, key=lambda item: item.value)]

    def _object(self, kind: Object) -> None:
        """Writes a class after the classes its fields refer to; for a union's member a function that makes it."""
        if kind.name in self.written:
            return
        self.written.add(kind.name)
        fields = sorted((field for field in kind.fields if not field.deprecated), key=lambda field: field.id)
        for field in fields:
            self._needs(_type(field))
        name, is_made = _short(kind.name), kind.name in self.members and not self.is_stub
        indent = "    " if is_made else ""
        body = [line for field in fields for line in self._field(field, indent + "    ")]
        made = [f"{indent}class {name}(Table):", *(body or [f"{indent}    pass"])]
        if is_made:
            made = [f"def _make_{name.lower()}() -> type[Table]:", *made, "", f"    return {name}"]
        self.lines += [*self.blank, *made]

    def _needs(self, kind: Type) -> None:
        if TABLE in (kind.base_type, kind.element):
            self._object(self.objects[kind.index])
        elif kind.base_type == UNION:
            self._union(self.enums[kind.index])

    def _union(self, kind: Enum) -> None:
        if kind.name in self.written:
            return
        self.written.add(kind.name)
        members = [(item.value, self.objects[item.union_type.index]) for item in kind.values if item.value and item.union_type]
        for _, target in members:
            self._object(target)
        if self.is_stub:
            self.lines += ["", f"{_constant(kind.name)}: Mapping[int, type[Table]]"]
            return
        self.lines += ["", "", f"{_constant(kind.name)} = LazyTables(", "    {"]
        self.lines += [f'        {code}: "{_short(target.name)}",' for code, target in members]
        self.lines += ["    },", "    __getattr__,", ")"]

    def _field(self, field: Field, indent: str) -> list[str]:
        kind, index = _type(field), field.id
        align = next((f", align={item.value}" for item in field.attributes if item.key == "force_align"), "")
        listed = "default_factory=list"
        if kind.base_type == UNION_TYPE:
            return []
        if kind.base_type == TEXT:
            line = f'{field.name}: str = text({index}, default="")'
        elif kind.base_type == TABLE:
            name = _short(self.objects[kind.index].name)
            line = f"{field.name}: {name} | None = table({index}, {name}, default=None)"
        elif kind.base_type == UNION:
            line = f"{field.name}: Table | None = union({index}, {_constant(self.enums[kind.index].name)}, default=None)"
        elif kind.base_type != VECTOR:
            line = self._scalar(field, kind)
        elif kind.element == TABLE:
            name = _short(self.objects[kind.index].name)
            line = f"{field.name}: list[{name}] = tables({index}, {name}, {listed})"
        elif kind.index >= 0:
            name = _short(self.enums[kind.index].name)
            line = f'{field.name}: list[{name}] = choices({index}, "{FORMATS[kind.element]}", {name}, {listed})'
        elif kind.element == UBYTE:
            line = f'{field.name}: bytes | bytearray | memoryview = raw({index}{align}, default=b"")'
        else:
            line = f'{field.name}: list[{_python(kind.element)}] = numbers({index}, "{FORMATS[kind.element]}"{align}, {listed})'
        return _wrapped(line, indent)

    def _scalar(self, field: Field, kind: Type) -> str:
        code = FORMATS[kind.base_type]
        if kind.index >= 0:
            enum = self.enums[kind.index]
            name = _short(enum.name)
            member = next(item.name for item in enum.values if item.value == field.default_integer)
            return f'{field.name}: {name} = choice({field.id}, "{code}", default={name}.{member})'
        default: object = field.default_integer
        if kind.base_type in (FLOAT, DOUBLE):
            default = field.default_real
        elif kind.base_type == BOOL:
            default = bool(default)
        return f'{field.name}: {_python(kind.base_type)} = number({field.id}, "{code}", default={default})'


_LAZY_LOOKUP = [
    "",
    "",
    "def __getattr__(name: str) -> type[Table]:",
    '    """A class that is reached through a union, made when it is first asked for."""',
    "    return made(globals(), name)",
]


def _wrapped(line: str, indent: str) -> list[str]:
    """A line as the formatter leaves it."""
    if len(indent + line) <= WIDTH:
        return [indent + line]
    head, _, arguments = line.removesuffix(")").partition("(")
    return [f"{indent}{head}(", f"{indent}    {arguments}", f"{indent})"]


def _type(field: Field) -> Type:
    assert field.type is not None
    return field.type


def _python(base_type: int) -> str:
    return "bool" if base_type == BOOL else "float" if base_type in (FLOAT, DOUBLE) else "int"


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _constant(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", _short(name)).upper()


if __name__ == "__main__":
    sys.exit(main())
