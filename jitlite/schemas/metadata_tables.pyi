# generated from metadata.fbs by `python -m jitlite.schemas.generate`; do not edit
"""The tables and enums of the metadata in .tflite files."""

from __future__ import annotations

from collections.abc import Mapping

from jitlite.schemas.choice import Choice
from jitlite.schemas.table import Table, choice, number, numbers, raw, table, tables, text, union

class AssociatedFileType(Choice):
    UNKNOWN = 0
    DESCRIPTIONS = 1
    TENSOR_AXIS_LABELS = 2
    TENSOR_VALUE_LABELS = 3
    TENSOR_AXIS_SCORE_CALIBRATION = 4
    VOCABULARY = 5
    SCANN_INDEX_FILE = 6

class BoundingBoxType(Choice):
    UNKNOWN = 0
    BOUNDARIES = 1
    UPPER_LEFT = 2
    CENTER = 3

class ColorSpaceType(Choice):
    UNKNOWN = 0
    RGB = 1
    GRAYSCALE = 2

class CoordinateType(Choice):
    RATIO = 0
    PIXEL = 1

class ScoreTransformationType(Choice):
    IDENTITY = 0
    LOG = 1
    INVERSE_LOGISTIC = 2

class AssociatedFile(Table):
    name: str = text(0, default="")
    description: str = text(1, default="")
    type: AssociatedFileType = choice(2, "b", default=AssociatedFileType.UNKNOWN)
    locale: str = text(3, default="")
    version: str = text(4, default="")

class AudioProperties(Table):
    sample_rate: int = number(0, "I", default=0)
    channels: int = number(1, "I", default=0)

class BertTokenizerOptions(Table):
    vocab_file: list[AssociatedFile] = tables(0, AssociatedFile, default_factory=list)

class BoundingBoxProperties(Table):
    index: list[int] = numbers(0, "I", default_factory=list)
    type: BoundingBoxType = choice(1, "b", default=BoundingBoxType.UNKNOWN)
    coordinate_type: CoordinateType = choice(2, "b", default=CoordinateType.RATIO)

class FeatureProperties(Table):
    pass

class ImageSize(Table):
    width: int = number(0, "I", default=0)
    height: int = number(1, "I", default=0)

class ImageProperties(Table):
    color_space: ColorSpaceType = choice(0, "b", default=ColorSpaceType.UNKNOWN)
    default_size: ImageSize | None = table(1, ImageSize, default=None)

CONTENT_PROPERTIES: Mapping[int, type[Table]]

class ValueRange(Table):
    min: int = number(0, "i", default=0)
    max: int = number(1, "i", default=0)

class Content(Table):
    content_properties: Table | None = union(1, CONTENT_PROPERTIES, default=None)
    range: ValueRange | None = table(2, ValueRange, default=None)

class CustomMetadata(Table):
    name: str = text(0, default="")
    data: bytes | bytearray | memoryview = raw(1, align=16, default=b"")

class NormalizationOptions(Table):
    mean: list[float] = numbers(0, "f", default_factory=list)
    std: list[float] = numbers(1, "f", default_factory=list)

class ScoreCalibrationOptions(Table):
    score_transformation: ScoreTransformationType = choice(0, "b", default=ScoreTransformationType.IDENTITY)
    default_score: float = number(1, "f", default=0.0)

class ScoreThresholdingOptions(Table):
    global_score_threshold: float = number(0, "f", default=0.0)

class SentencePieceTokenizerOptions(Table):
    sentence_piece_model: list[AssociatedFile] = tables(0, AssociatedFile, default_factory=list)
    vocab_file: list[AssociatedFile] = tables(1, AssociatedFile, default_factory=list)

class RegexTokenizerOptions(Table):
    delim_regex_pattern: str = text(0, default="")
    vocab_file: list[AssociatedFile] = tables(1, AssociatedFile, default_factory=list)

PROCESS_UNIT_OPTIONS: Mapping[int, type[Table]]

class ProcessUnit(Table):
    options: Table | None = union(1, PROCESS_UNIT_OPTIONS, default=None)

class Stats(Table):
    max: list[float] = numbers(0, "f", default_factory=list)
    min: list[float] = numbers(1, "f", default_factory=list)

class TensorMetadata(Table):
    name: str = text(0, default="")
    description: str = text(1, default="")
    content: Content | None = table(3, Content, default=None)
    process_units: list[ProcessUnit] = tables(4, ProcessUnit, default_factory=list)
    stats: Stats | None = table(5, Stats, default=None)
    associated_files: list[AssociatedFile] = tables(6, AssociatedFile, default_factory=list)

class TensorGroup(Table):
    name: str = text(0, default="")

class SubGraphMetadata(Table):
    name: str = text(0, default="")
    description: str = text(1, default="")
    input_tensor_metadata: list[TensorMetadata] = tables(2, TensorMetadata, default_factory=list)
    output_tensor_metadata: list[TensorMetadata] = tables(3, TensorMetadata, default_factory=list)
    associated_files: list[AssociatedFile] = tables(4, AssociatedFile, default_factory=list)
    input_process_units: list[ProcessUnit] = tables(5, ProcessUnit, default_factory=list)
    output_process_units: list[ProcessUnit] = tables(6, ProcessUnit, default_factory=list)
    input_tensor_groups: list[TensorGroup] = tables(7, TensorGroup, default_factory=list)
    output_tensor_groups: list[TensorGroup] = tables(8, TensorGroup, default_factory=list)
    custom_metadata: list[CustomMetadata] = tables(9, CustomMetadata, default_factory=list)

class ModelMetadata(Table):
    name: str = text(0, default="")
    description: str = text(1, default="")
    version: str = text(2, default="")
    subgraph_metadata: list[SubGraphMetadata] = tables(3, SubGraphMetadata, default_factory=list)
    author: str = text(4, default="")
    license: str = text(5, default="")
    associated_files: list[AssociatedFile] = tables(6, AssociatedFile, default_factory=list)
    min_parser_version: str = text(7, default="")
