"""Damage to valid files, for fuzz_readers.py: from flipped bits to exchanged values, the same for the same draws."""

import json
import random
import re
import struct
from typing import Any

TOKEN = re.compile(rb"[A-Za-z_]+|[-+]?[0-9][0-9.eE+-]*|\s+|.", re.DOTALL)
NUMBER = re.compile(rb"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
NUMBERS = [
    *(
        b"0",
        b"-1",
        b"1e400",
        b"-1e-400",
        b"NaN",
        b"nan",
        b"Infinity",
        b"-inf",
        b"1.0",
        b"0x7f",
        b"1_0",
        b"00",
        b"1e308",
    ),
    *(str(2**31).encode(), str(2**63).encode(), str(-(2**63) - 1).encode(), b"9" * 400, b"9" * 5000, b"1e99999999999"),
    *(str(10**8).encode(), str(10**12).encode(), b"\xd9\xa3", b"0x" + b"f" * 5000, b"0." + b"0" * 2000 + b"1"),
]
PIECES = [
    *(
        b"",
        b"true",
        b"null",
        b'""',
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b'"',
        b"'",
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\n",
    ),
    *(
        b"<",
        b">",
        b"&",
        b"/>",
        b"</",
        b"<!DOCTYPE x>",
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"]]>",
        b"&lt;",
        b"&#0;",
        b"<?x?>",
    ),
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\x1b[31m", b"\r", b"\t", b";", b"=", b"#"),
    *(b"node", b"edge", b"input", b"gap", b"undirected", b"count", b"escaped", b"seeds", b"size", b"def", b"F8_E4M3"),
    *(b"[[", b"]]", b'"""', b"a.b.c", b"1979-05-27", b"-", b"R", b"input,", b'"pre": [],', b"F64", b"I64", b"BOOL"),
]
DEEP = [b"[", b"{", b'{"a":', b"<a>", b"<graph>", b"{a=", b"(", b'"', b"a.", b"[],", b"{},", b'"a":1,', b",", b"\n"]


def damaged(draw: random.Random, valid: list[bytes], *, framed: bool = False, only_json: bool = False) -> bytes:
    """A valid file with one to four faults; of a framed one mostly in the header, whose length is made to fit."""
    content = draw.choice(valid)
    if only_json:
        for _ in range(draw.choice([1, 1, 2, 4])):
            content = _value(draw, content, valid)
        return content
    if not framed or draw.random() < 0.25:
        return _faults(draw, content, valid)
    size = struct.unpack("<Q", content[:8])[0]
    header = _faults(draw, content[8 : 8 + size], [one[8 : 8 + struct.unpack("<Q", one[:8])[0]] for one in valid])
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


def _faults(draw: random.Random, content: bytes, valid: list[bytes]) -> bytes:
    for _ in range(draw.choice([1, 1, 1, 1, 2, 4])):
        content = draw.choice(FAULTS)(draw, content, valid)[: 2**20]
    return content


def _flip(draw: random.Random, content: bytes, _: list[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 8])) if changed else ():
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _cut(draw: random.Random, content: bytes, _: list[bytes]) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _slice(draw: random.Random, content: bytes) -> tuple[int, int]:
    start = draw.randrange(len(content) + 1)
    return start, min(len(content), start + draw.choice([1, 2, 5, 20, 100, 1000]))


def _leave_out(draw: random.Random, content: bytes, _: list[bytes]) -> bytes:
    start, stop = _slice(draw, content)
    return content[:start] + content[stop:]


def _repeat(draw: random.Random, content: bytes, _: list[bytes]) -> bytes:
    start, stop = _slice(draw, content)
    times = draw.choice([2, 3, 10, 100, 5000])
    return content[:start] + content[start:stop] * min(times, 200_000 // max(1, stop - start)) + content[stop:]


def _swap(draw: random.Random, content: bytes, _: list[bytes]) -> bytes:
    tokens = TOKEN.findall(content)
    if len(tokens) > 1:
        i, j = draw.randrange(len(tokens)), draw.randrange(len(tokens))
        tokens[i], tokens[j] = tokens[j], tokens[i]
    return b"".join(tokens)


def _number(draw: random.Random, content: bytes, _: list[bytes]) -> bytes:
    found = list(NUMBER.finditer(content))
    if not found:
        return content
    chosen = draw.choice(found)
    return content[: chosen.start()] + draw.choice(NUMBERS) + content[chosen.end() :]


def _token(draw: random.Random, content: bytes, valid: list[bytes]) -> bytes:
    tokens = TOKEN.findall(content)
    if tokens:
        others = draw.choice([NUMBERS, PIECES, tokens, TOKEN.findall(draw.choice(valid))]) or PIECES
        tokens[draw.randrange(len(tokens))] = draw.choice(others)
    return b"".join(tokens)


def _value(draw: random.Random, content: bytes, _: list[bytes]) -> bytes:
    """Another value somewhere in JSON, also in JSON that is text of JSON."""
    try:
        return json.dumps(_exchanged(draw, json.loads(content))).encode()
    except (ValueError, RecursionError):
        return content


def _exchanged(draw: random.Random, value: Any) -> Any:
    if isinstance(value, (dict, list)) and value and draw.random() < 0.9:
        changed = value.copy()
        key = draw.choice(list(changed)) if isinstance(changed, dict) else draw.randrange(len(changed))
        change = draw.random()
        if change < 0.1:
            changed.pop(key)
        elif change < 0.15 and isinstance(changed, dict):
            changed[draw.choice(["a", "", "version", str(key) + "s"])] = changed.pop(key)
        else:
            changed[key] = _exchanged(draw, changed[key])
        return changed
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        return json.dumps(_exchanged(draw, json.loads(value)))
    return draw.choice(VALUES)


VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, float("nan"), float("inf"), 2**31, 2**63, -(2**63) - 1, 10**8),
    *(
        10**400,
        "",
        "a",
        "\x00",
        "\ud800",
        "日本",
        "AVAL",
        "input",
        "gap",
        "EJ",
        "R",
        "undirected",
        "nan",
        "1e400",
        "-1",
    ),
    *(
        [],
        {},
        [[]],
        [None],
        [1, 2],
        ["a", "a"],
        {"a": 1},
        [[[[[[[[1]]]]]]]],
        "a" * 5000,
        [0] * 5000,
        ["a"] * 3,
        "F8_E4M3",
    ),
]


def _piece(draw: random.Random, content: bytes, _: list[bytes]) -> bytes:
    start, stop = _slice(draw, content)
    return content[:start] + draw.choice(PIECES) + content[draw.choice([start, stop]) :]


def _nest(draw: random.Random, content: bytes, _: list[bytes]) -> bytes:
    at, times = draw.randrange(len(content) + 1), draw.choice([10, 100, 900, 5000, 50_000])
    piece = draw.choice(DEEP)
    closing = {b"[": b"]", b"{": b"}", b'{"a":': b"}", b"<a>": b"</a>", b"(": b")", b"{a=": b"}"}.get(piece, b"")
    inner = draw.choice([b"", b"1", b'"a"']) + closing * times if draw.random() < 0.5 else b""
    return content[:at] + piece * times + inner + content[at:]


def _splice(draw: random.Random, content: bytes, valid: list[bytes]) -> bytes:
    other = draw.choice(valid)
    return content[: draw.randrange(len(content) + 1)] + other[draw.randrange(len(other) + 1) :]


FAULTS = [
    _flip,
    _flip,
    _cut,
    _leave_out,
    _repeat,
    _swap,
    _swap,
    _number,
    _number,
    _piece,
    _token,
    _token,
    _nest,
    _splice,
]
FAULTS += [_value] * 4
