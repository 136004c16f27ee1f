"""TFRecord: records with checksums, each a tf.Example with lists of floats or texts.

Sources: https://www.tensorflow.org/tutorials/load_data/tfrecord (framing, masked CRC-32C) and tensorflow's
core/example/example.proto and feature.proto; guides/tfrecord (all numbers are floats).
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable, Mapping

import google_crc32c
import numpy as np

_MASK_DELTA = 0xA282EAD8
_BYTES_LIST, _FLOAT_LIST = 1, 2  # fields of tf.train.Feature
_LENGTH_DELIMITED = 2  # protobuf's wire type

Value = np.ndarray | bytes


def framed(record: bytes) -> bytes:
    """A record with its length and the masked checksums of both."""
    length = struct.pack("<Q", len(record))
    return length + _checksum(length) + record + _checksum(record)


def _checksum(content: bytes) -> bytes:
    crc = int(google_crc32c.value(content))
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF)


def example(features: Mapping[str, Value]) -> bytes:
    """A tf.Example: arrays are lists of floats in row-major order, bytes are lists with one text."""
    entries = b"".join(_field(1, _field(1, name.encode()) + _field(2, _feature(v))) for name, v in features.items())
    return _field(1, entries)


def _feature(value: Value) -> bytes:
    if isinstance(value, bytes):
        return _field(_BYTES_LIST, _field(1, value))
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(value, "<f4").tobytes()
    return _field(_FLOAT_LIST, _field(1, numbers))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protobuf message."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def compressed(records: Iterable[bytes]) -> bytes:
    """Framed records as one gzip file; the same records give the same bytes."""
    return gzip.compress(b"".join(framed(record) for record in records), mtime=0)
