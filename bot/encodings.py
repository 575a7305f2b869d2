"""What a text that somebody hands in as a file is written in, and the text itself.

A file may come from anywhere: in GB18030, in UTF-16, with a BOM, or broken here and there, where a tool has cut a
character in two. What could be read in two ways is refused, with what to do, and never guessed.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from bot.phrases import Phrase
from data.rules.problems import InvalidRuleError, Problem

DELIMITERS = {",": "逗号", "\t": "制表符", ";": "分号", "|": "竖线"}
SAVE_ANEW = Phrase("请用 Excel 或 WPS 另存为“CSV UTF-8”或 .xlsx 后再上传")
#: So many bytes of a text may be nothing in its encoding.
BROKEN_MAX = 1_000
#: For each of them so many characters are whole: only then it is known what the text is written in.
WHOLE_PER_BROKEN = 20
#: What stands in a text for such a byte.
UNREADABLE = re.compile("[\udc80-\udcff]")
_ESCAPED = "surrogateescape"
_BEYOND = re.compile("[\u0800-\U0010ffff]")


def open_text(opened: IO[bytes], encoding: str) -> io.TextIOWrapper:
    """A file from its beginning; bytes that are nothing in its encoding become what `UNREADABLE` finds."""
    opened.seek(0)
    errors = "strict" if encoding.startswith("utf-16") else _ESCAPED
    return io.TextIOWrapper(opened, encoding=encoding, errors=errors, newline="")


def readable(text: str) -> str:
    """A text with a sign for what could not be read."""
    return UNREADABLE.sub("\ufffd", text)


def encoding_of(opened: IO[bytes]) -> str:
    """What a text is written in: by its mark, else UTF-16 by its NULs, else UTF-8 where it is that, else GB18030; also
    where some of its characters are broken.

    Raises InvalidRuleError for what is no text, and for what is one in two ways.
    """
    opened.seek(0)
    beginning = opened.read(4)
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _sure(opened, "utf-16")
    if beginning.startswith(codecs.BOM_UTF8):
        if _has_nul(opened) or _count_broken(opened, "utf-8-sig").broken > BROKEN_MAX:
            raise _no_text()
        return "utf-8-sig"
    if _has_nul(opened):
        found = {each: _count_marks(opened, each) for each in ("utf-16-le", "utf-16-be")}
        counts = sorted(count for count in found.values() if count is not None)
        if not counts or counts[-1] == 0 or (len(counts) == 2 and counts[0] == counts[1]):
            raise _no_text()
        return next(each for each, count in found.items() if count == counts[-1])
    if _count_marks(opened, "utf-8") is None:
        # What of UTF-8 is whole proves it: of GB18030 next to nothing is three bytes in it.
        if _count_broken(opened, "utf-8").is_clear:
            return "utf-8"
        if _count_marks(opened, "gb18030") is None and not _count_broken(opened, "gb18030").is_clear:
            raise _no_text()
        return "gb18030"
    # Two bytes that are a Chinese character in GB18030 may be an accented letter in UTF-8; its Chinese has three.
    if (
        not _has_beyond(opened, "\u0800")
        and _has_beyond(opened, "\u0080")
        and _count_marks(opened, "gb18030") is not None
    ):
        raise _refusal(Phrase("分不清是 UTF-8 还是 GBK：%(save_anew)s", save_anew=SAVE_ANEW))
    return "utf-8"


def _refusal(message: str) -> InvalidRuleError:
    return InvalidRuleError([Problem("file", message)])


def _no_text() -> InvalidRuleError:
    return _refusal(Phrase("不是文字文件：请保存为 CSV（UTF-8 或 GBK）或 .xlsx"))


def _sure(opened: IO[bytes], encoding: str) -> str:
    if _count_marks(opened, encoding) is None:
        raise _no_text()
    return encoding


def _pieces(opened: IO[bytes]) -> Iterator[bytes]:
    opened.seek(0)
    while piece := opened.read(1 << 16):
        yield piece


def _has_nul(opened: IO[bytes]) -> bool:
    return any(b"\0" in piece for piece in _pieces(opened))


class _Broken(NamedTuple):
    """How many characters of a text are Chinese or beyond, and how many of its bytes are nothing."""

    whole: int
    broken: int

    @property
    def is_clear(self) -> bool:
        """Whether it is surely in the encoding in which it was looked at."""
        return self.broken <= BROKEN_MAX and self.whole >= self.broken * WHOLE_PER_BROKEN


def _count_broken(opened: IO[bytes], encoding: str) -> _Broken:
    whole = broken = 0
    for text in _texts(opened, encoding, _ESCAPED):
        bytes_ = len(UNREADABLE.findall(text))
        broken += bytes_
        whole += len(_BEYOND.findall(text)) - bytes_
    return _Broken(whole, broken)


def _texts(opened: IO[bytes], encoding: str, errors: str = "strict") -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    for piece in _pieces(opened):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def _count_marks(opened: IO[bytes], encoding: str) -> int | None:
    """How many line ends and delimiters there are in this encoding; None where it is no text in it."""
    count = 0
    try:
        for text in _texts(opened, encoding):
            if "\0" in text:
                return None
            count += sum(text.count(each) for each in ("\n", "\r", *DELIMITERS))
    except UnicodeDecodeError:
        return None
    return count


def _has_beyond(opened: IO[bytes], first: str) -> bool:
    beyond = re.compile(f"[{first}-\U0010ffff]")
    return any(beyond.search(text) for text in _texts(opened, "utf-8"))
