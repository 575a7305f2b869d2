"""What may stand in place of a variable: plain text, made harmless, never longer than was promised."""

from __future__ import annotations

import unicodedata

ZERO_WIDTH_JOINER = "\u200d"
SKIN_TONES = range(0x1F3FB, 0x1F400)
REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)
EMOJI_TAGS = range(0xE0020, 0xE0080)
#: Hangul fillers and the Braille blank are letters and symbols to Unicode, and nothing to the eye.
INVISIBLE_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def clean_value(text: str) -> str:
    """`text` without control characters (newline stays) and lone surrogates, which have no UTF-8 form.

    Everything else stays as it is: markup, bidirectional and zero-width characters arrive literally.
    """
    return "".join(char for char in text if char == "\n" or unicodedata.category(char) not in ("Cc", "Cs"))


def is_visible(text: str) -> bool:
    """Whether a reader sees anything of `text`: a name of blanks and zero-width characters is no name."""
    return any(
        not char.isspace() and char not in INVISIBLE_LETTERS and unicodedata.category(char) not in ("Cc", "Cf", "Cs")
        for char in text
    )


def clip(text: str, max_bytes: int) -> str:
    """The longest beginning of `text` of at most `max_bytes` UTF-8 bytes that ends between two characters as
    read.

    A letter keeps its accents and an emoji its parts. Only where one character alone is longer than
    `max_bytes` is it cut inside, and even then never inside a code point.
    """
    used = 0
    for index, char in enumerate(text):
        used += len(char.encode("utf-8", "surrogatepass"))
        if used > max_bytes:
            return text[: _boundary_before(text, index) or index]
    return text


def split_text(text: str, max_bytes: int) -> list[str]:
    """`text` in parts of at most `max_bytes` UTF-8 bytes each, cut at line ends where there are any.

    Nothing is lost but the line ends at the cuts. `max_bytes` must hold any one code point (4 or more).
    """
    if max_bytes < 4:
        raise ValueError("a part must hold at least one code point: 4 bytes")
    parts: list[str] = []
    rest = text
    while len(rest.encode("utf-8", "surrogatepass")) > max_bytes:
        head = clip(rest, max_bytes)
        line_end = len(head) if rest.startswith("\n", len(head)) else head.rfind("\n")
        if line_end > 0:
            parts.append(rest[:line_end])
            rest = rest[line_end + 1 :]
        else:
            parts.append(head)
            rest = rest[len(head) :]
    if rest:
        parts.append(rest)
    return parts


def _boundary_before(text: str, index: int) -> int:
    """The last place at or before `index` where a character as read begins."""
    while index > 0 and _continues(text, index):
        index -= 1
    return index


def _continues(text: str, index: int) -> bool:
    """Whether the code point at `index` belongs to the same character as the one before it."""
    char, before = text[index], text[index - 1]
    code = ord(char)
    if unicodedata.category(char) in ("Mn", "Mc", "Me") or char == ZERO_WIDTH_JOINER or before == ZERO_WIDTH_JOINER:
        return True
    if code in SKIN_TONES or code in EMOJI_TAGS:
        return True
    if code in REGIONAL_INDICATORS:
        # Flags are pairs: an odd number of indicators before this one means that it ends a pair.
        start = index
        while start > 0 and ord(text[start - 1]) in REGIONAL_INDICATORS:
            start -= 1
        return (index - start) % 2 == 1
    return False
