"""Damage as disks, transfers and hands do it: seeded, of bytes and of text."""

import numpy as np

BYTES = ("flip", "cut", "zeros", "length", "insert", "swap", "tail")
TEXT = (*BYTES, "word", "line", "number", "nest")
_WORDS = ("nan", "inf", "-1", "1e999", "", "true", "null", "[]", "{}", "999999999999", "x", "é", "1_0", "0x10", "../..")


def mutate(content: bytes, seed: int, text: bool = False, other: bytes = b"") -> tuple[bytes, str]:
    """A damaged copy, and what was done to it."""
    rng = np.random.default_rng(seed)
    kinds = TEXT if text else BYTES
    kind = kinds[int(rng.integers(len(kinds)))]
    data, n = bytearray(content), max(1, len(content))
    if kind == "flip":
        for at in rng.integers(0, n, int(rng.integers(1, 4))):
            data[at % n] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        data = data[: int(rng.integers(0, n))]
    elif kind == "zeros":
        at = int(rng.integers(n))
        data[at : at + 16] = bytes(len(data[at : at + 16]))
    elif kind == "length":  # a field of four bytes, mostly in the header
        at = int(rng.integers(min(n, 256) if rng.random() < 0.7 else n))
        value = int(rng.choice([0, -1, 2**31 - 1, -(2**31), int(rng.integers(-1000, 10**6))]))
        data[at : at + 4] = value.to_bytes(4, "little" if rng.random() < 0.5 else "big", signed=True)
    elif kind == "insert":
        at = int(rng.integers(n))
        data[at:at] = rng.integers(0, 256, int(rng.integers(1, 9)), dtype=np.uint8).tobytes()
    elif kind == "swap":
        data = bytearray(other or data[::-1])
    elif kind == "tail":
        data += rng.integers(0, 256, 20, dtype=np.uint8).tobytes()
    else:
        data = bytearray(_of_text(content.decode("utf-8", "replace"), kind, rng).encode())
    return bytes(data), kind


def _of_text(text, kind, rng):
    lines = text.split("\n")
    at = int(rng.integers(len(lines)))
    words = lines[at].split(" ")
    place, new = int(rng.integers(len(words))), _WORDS[int(rng.integers(len(_WORDS)))]
    if kind == "word":
        words[place] = new
    elif kind == "number":
        words[place] = words[place] + str(int(rng.integers(10))) * int(rng.choice([1, 3, 400]))
    elif kind == "nest":
        words[place] = "[" * int(rng.choice([2, 50, 3000])) + words[place]
    lines[at] = " ".join(words)
    if kind == "line":
        lines[at:at] = [lines[int(rng.integers(len(lines)))]] * int(rng.integers(0, 3))
        del lines[int(rng.integers(len(lines)))]
    return "\n".join(lines)
