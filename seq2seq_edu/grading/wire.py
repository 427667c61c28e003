"""What may pass between judge and worker: plain data, as bytes. No pickle, no objects, no code."""

import io
import json
import math
import struct
import sys
from typing import Any, BinaryIO

import numpy as np

LARGEST = 96 * 2**20  # bytes of one message
LONGEST = 4 * 2**20  # of these, text: read as lists of lists it takes twenty times as much memory
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
DEEPEST = 40  # lists in lists
ODDEST = 1000  # keys of a dict, or items of a set, that are neither text nor small numbers: made to collide?
MALFORMED = (ValueError, TypeError, LookupError, RecursionError, OverflowError, ImportError, EOFError)
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
        most, of_text = LARGEST // 2**20, LONGEST // 2**20
        raise NotPlain(f"{size / 2**20:.0f} MiB of data: expected at most {most}, {of_text} of text")
    return _SIZES.pack(len(text), size - len(text)) + text + b"".join(arrays)


def _pack(value: Any, arrays: list[bytes], depth: int) -> Any:
    """Return the value as JSON knows it; every list becomes [kind, ...], and arrays go aside."""
    if depth > DEEPEST:
        raise NotPlain(f"data nested more than {DEEPEST} deep")
    if value is None or isinstance(value, (bool, np.bool_)):
        return None if value is None else bool(value)
    if isinstance(value, (int, np.integer)):
        whole = int(value)
        if whole.bit_length() > 10_000:  # a reader of JSON might refuse it
            raise NotPlain("a whole number of over 10,000 bits")
        return whole
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
        return ["dict", *([_pack(part, arrays, depth + 1) for part in item] for item in items)]
    if isinstance(value, Handle):
        return ["handle", value.number]
    return _pack_array(value, arrays)


def _pack_array(value: Any, arrays: list[bytes]) -> list[Any]:
    """Put the bytes of an array or tensor aside, and return what describes them."""
    torch, kind = sys.modules.get("torch"), "array"
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


def write(stream: BinaryIO, value: Any) -> None:
    """Send one message."""
    stream.write(encode(value))
    stream.flush()


def read(stream: BinaryIO, objects: dict[int, Any] | None = None, largest: int = LARGEST) -> Any:
    """Read one message."""
    text, rest = _SIZES.unpack(_exactly(stream, _SIZES.size))
    if text + rest > largest or text > LONGEST:
        raise ValueError("not a message: too large")
    packed, arrays = _exactly(stream, text), io.BytesIO(_exactly(stream, rest))
    try:
        value = _unpack(json.loads(packed.decode("ascii")), arrays, objects or {})
    except MALFORMED as error:
        raise ValueError(f"not a message: {type(error).__name__}") from None
    if arrays.read(1):
        raise ValueError("not a message: bytes are left over")
    return value


def _exactly(stream: BinaryIO, size: int) -> bytes:
    """Read that many bytes: what gives fewer has come to its end."""
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the other side has gone")
    return data


def _unpack(packed: Any, arrays: BinaryIO, objects: dict[int, Any]) -> Any:
    """Return the value that `_pack` described."""
    if isinstance(packed, dict):
        raise ValueError("an object of JSON")
    if not isinstance(packed, list):
        return packed
    kind, items = packed[0], packed[1:]
    if kind == "float":
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[items[0]]
    if kind == "handle":
        return objects[items[0]]
    if kind == "dict":
        pairs = [[_unpack(part, arrays, objects) for part in (key, value)] for key, value in items]
        return dict(zip(_mixed([key for key, _ in pairs]), [value for _, value in pairs], strict=True))
    if kind in ("list", "tuple", "set"):
        values = [_unpack(item, arrays, objects) for item in items]
        return values if kind == "list" else tuple(values) if kind == "tuple" else set(_mixed(values))
    return _unpack_array(kind, *items, arrays=arrays)


def _unpack_array(kind: str, name: str, *shape: int, arrays: BinaryIO) -> Any:
    """Return the array or tensor that `_pack_array` described."""
    wrong_sizes = len(shape) > 32 or any(type(n) is not int or not 0 <= n < 2**48 for n in shape)
    if kind not in ("array", "tensor") or name not in DTYPES or wrong_sizes:
        raise ValueError("no kind of data")
    dtype, count = np.dtype(name), math.prod(shape)
    data = _exactly(arrays, count * dtype.itemsize)
    array = np.frombuffer(data, dtype, count).reshape(shape).copy()
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
