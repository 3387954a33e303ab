"""Reads the tensors of a TensorFlow checkpoint ("tensor bundle") without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridrec.errors import InvalidInput

FOOTER_BYTES = 48
TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
FLOAT32 = 1
_DTYPE, _SHAPE, _OFFSET, _SIZE = 1, 2, 4, 5  # fields of BundleEntryProto
_DIMENSION = 2  # field of TensorShapeProto

Fields = dict[int, list[int | bytes]]


def read_checkpoint(directory: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of a checkpoint of one shard, by name.

    Args:
        directory: holds its files, `.index` and `.data-00000-of-00001`.

    Raises:
        InvalidInput: if the files are absent or no such checkpoint.
    """
    index_path = directory / ".index"
    try:
        index = index_path.read_bytes()
        data = (directory / ".data-00000-of-00001").read_bytes()
    except FileNotFoundError as error:
        fix = "name the folder that holds the files of the checkpoint"
        raise InvalidInput("no TensorFlow checkpoint here", got=str(directory), fix=fix) from error
    if index[-8:] != TABLE_MAGIC:
        raise InvalidInput(
            "not the index of a TensorFlow checkpoint",
            got=str(index_path),
            fix="get the file again",
        )
    entries = {name: _fields(value) for name, value in _table(index) if name}
    return {name: _tensor(entry, data) for name, entry in entries.items() if _is_float(entry)}


def _is_float(entry: Fields) -> bool:
    return entry.get(_DTYPE) == [FLOAT32]


def _tensor(entry: Fields, data: bytes) -> NDArray[np.float32]:
    sizes = _fields(_raw(entry[_SHAPE][0])).get(_DIMENSION, [])
    shape = [_number(_fields(_raw(size)), 1) for size in sizes]
    offset, size = _number(entry, _OFFSET), _number(entry, _SIZE)
    return np.frombuffer(data[offset : offset + size], dtype="<f4").reshape(shape)


def _number(fields: Fields, key: int) -> int:
    value = fields.get(key, [0])[0]
    assert isinstance(value, int)
    return value


def _raw(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def _table(table: bytes) -> Iterator[tuple[str, bytes]]:
    """Keys and values of a LevelDB table whose blocks are not compressed."""
    footer = table[-FOOTER_BYTES:]
    _, at = _varint(footer, 0)
    _, at = _varint(footer, at)
    offset, at = _varint(footer, at)
    size, _ = _varint(footer, at)
    for _, handle in _block(table[offset : offset + size]):
        start, at = _varint(handle, 0)
        length, _ = _varint(handle, at)
        for key, value in _block(table[start : start + length]):
            yield key.decode(), value


def _block(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        yield key, block[at + fresh : at + fresh + length]
        at += fresh + length


def _fields(message: bytes) -> Fields:
    """The fields of a protocol buffer by number, undecoded."""
    fields: Fields = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value: int | bytes
        if tag & 7 == 0:
            value, at = _varint(message, at)
        else:
            length, at = (4, at) if tag & 7 == 5 else _varint(message, at)
            value, at = message[at : at + length], at + length
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
