"""What may pass between judge and worker: plain data, as bytes. No pickle, no objects, no code."""

from __future__ import annotations

import json
import math
import struct
import sys
from typing import Any, BinaryIO

import numpy as np

LARGEST = 96 * 2**20  # bytes of one message
LONGEST = 4 * 2**20  # of these, text: read as lists of lists it takes twenty times as much memory
DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)
DEEPEST = 40  # lists in lists
ODDEST = 1000  # keys of a dict, or items of a set, that are neither text nor small numbers: made to collide?
_SIZES = struct.Struct("<QQ")  # bytes of the JSON text, bytes of all arrays


class NotPlain(ValueError):
    """A value that is not plain data: the message names its type."""


class Handle:
    """Stands for an object that stays on the worker's side, such as a model."""

    def __init__(self, number: int) -> None:
        self.number = number


def encode(value: Any) -> bytes:
    """Return plain data as bytes: None, numbers, text, lists, tuples, sets, dicts, arrays, tensors."""
    arrays: list[bytes] = []
    text = json.dumps(_pack(value, arrays, 0), separators=(",", ":")).encode("ascii")
    size = len(text) + sum(map(len, arrays))
    if size > LARGEST or len(text) > LONGEST:
        raise NotPlain(
            f"{size / 2**20:.0f} MiB of data: expected at most {LARGEST // 2**20}, {LONGEST // 2**20} of text"
        )
    return _SIZES.pack(len(text), size - len(text)) + text + b"".join(arrays)


def _pack(value: Any, arrays: list[bytes], depth: int) -> Any:
    """Return the value as JSON knows it; every list becomes [kind, ...], and arrays go aside."""
    if depth > DEEPEST:
        raise NotPlain(f"data nested more than {DEEPEST} deep")
    if value is None or isinstance(value, (bool, np.bool_)):
        return None if value is None else bool(value)
    if isinstance(value, (int, np.integer)):
        return _whole(int(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return number if math.isfinite(number) else ["float", str(number)]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        kind = "tuple" if isinstance(value, tuple) else "list" if isinstance(value, list) else "set"
        return [kind, *(_pack(item, arrays, depth + 1) for item in value)]
    if isinstance(value, dict):
        items = [*value.items()]
        return ["dict", *([_pack(k, arrays, depth + 1), _pack(v, arrays, depth + 1)] for k, v in items)]
    if isinstance(value, Handle):
        return ["handle", value.number]
    return _pack_array(value, arrays)


def _whole(number: int) -> Any:
    """Return a whole number; those that a reader of JSON might refuse are refused here."""
    if number.bit_length() > 10_000:
        raise NotPlain("a whole number of over 10,000 bits")
    return number


def _pack_array(value: Any, arrays: list[bytes]) -> list[Any]:
    """Put the bytes of an array or tensor aside, and return what describes them."""
    torch = sys.modules.get("torch")
    kind = "array"
    if torch is not None and isinstance(value, torch.Tensor):
        kind, value = "tensor", value.detach().cpu().resolve_conj().resolve_neg()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if not isinstance(value, np.ndarray):
        raise NotPlain(f"{type(value).__name__}: expected numbers, text, lists, dicts, arrays or tensors")
    if str(value.dtype) not in DTYPES:
        raise NotPlain(f"an array of {value.dtype}: expected one of {', '.join(DTYPES)}")
    plain = np.ascontiguousarray(np.asarray(value))
    arrays.append(plain.tobytes())
    return [kind, str(plain.dtype), *value.shape]


def decode(message: bytes, objects: dict[int, Any] | None = None) -> Any:
    """Return the plain data of a message."""
    if len(message) < _SIZES.size:
        raise ValueError("not a message: too short")
    text, rest = _SIZES.unpack_from(message)
    if len(message) != _SIZES.size + text + rest or text > LONGEST:
        raise ValueError("not a message: its sizes do not fit")
    try:
        packed = json.loads(message[_SIZES.size : _SIZES.size + text].decode("ascii"))
        place = [_SIZES.size + text]
        value = _unpack(packed, message, place, objects or {})
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError, ImportError) as error:
        raise ValueError(f"not a message: {type(error).__name__}") from None
    if place[0] != len(message):
        raise ValueError("not a message: bytes are left over")
    return value


def _unpack(packed: Any, message: bytes, place: list[int], objects: dict[int, Any]) -> Any:
    """Return the value that `_pack` described."""
    if not isinstance(packed, list):
        if isinstance(packed, dict):
            raise ValueError("an object of JSON")
        return packed
    kind, items = packed[0], packed[1:]
    if kind in ("list", "tuple", "set"):
        values = [_unpack(item, message, place, objects) for item in items]
        return values if kind == "list" else tuple(values) if kind == "tuple" else set(_mixed(values))
    if kind == "dict":
        pairs = [[_unpack(part, message, place, objects) for part in (k, v)] for k, v in items]
        return dict(zip(_mixed([pair[0] for pair in pairs]), [pair[1] for pair in pairs], strict=True))
    if kind == "float":
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[items[0]]
    if kind == "handle":
        return objects[items[0]]
    if (
        kind not in ("array", "tensor")
        or items[0] not in DTYPES
        or len(items) > 33
        or any(type(n) is not int or not 0 <= n < 2**48 for n in items[1:])
    ):
        raise ValueError("no kind of data")
    dtype, shape = np.dtype(items[0]), tuple(items[1:])
    count = math.prod(shape)
    if place[0] + count * dtype.itemsize > len(message):
        raise ValueError("an array longer than its bytes")
    array = np.frombuffer(message, dtype, count, place[0]).reshape(shape).copy()
    place[0] += count * dtype.itemsize
    if dtype.kind == "b":
        array = np.asarray(array.view(np.uint8) != 0)  # a byte of 2 is true and yet not equal to true
    if kind == "array":
        return array
    import torch  # only where a check speaks in tensors: the import costs seconds

    return torch.from_numpy(array)


def _mixed(keys: list[Any]) -> list[Any]:
    """Return keys that a dict can hold without growing slow: numbers and tuples can be made to collide."""
    odd = sum(not (isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**60)) for key in keys)
    if odd > ODDEST:
        raise ValueError("too many keys of odd kinds")
    return keys


def write(stream: BinaryIO, value: Any) -> None:
    """Send one message."""
    stream.write(encode(value))
    stream.flush()


def read(stream: BinaryIO, objects: dict[int, Any] | None = None, largest: int = LARGEST) -> Any:
    """Read one message."""
    head = _exactly(stream, _SIZES.size)
    text, rest = _SIZES.unpack(head)
    if text + rest > largest or text > LONGEST:
        raise ValueError("not a message: too large")
    return decode(head + _exactly(stream, text + rest), objects)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Read that many bytes."""
    parts, missing = [], size
    while missing:
        part = stream.read(missing)
        if not part:
            raise EOFError("the other side has gone")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
