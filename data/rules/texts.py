"""Short texts that programs and people send us: what a database keeps and a line on a screen can show."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from bot.phrases import Phrase

#: Country code of mainland China, as numbers are written with it.
_HOME = ("+86", "0086")
_SEPARATORS = dict.fromkeys(map(ord, "-–—.·()/"))


def one_line(text: str) -> str:
    """`text` itself. Raises ValueError where it holds control characters or halves of characters."""
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        raise ValueError(Phrase("有不可见的控制字符，请删掉它后重新输入"))
    return text


#: A text without control characters and without blanks around it.
Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(one_line)]


def normalised_mobile(text: str) -> str:
    """A telephone number as it is compared: `+86 138-0013-8000` and `１３８００１３８０００` are `13800138000`.

    Numbers of other countries keep `+` and the country's code. Empty where there are no digits.
    """
    kept = "".join(unicodedata.normalize("NFKC", text).translate(_SEPARATORS).split())
    for prefix in _HOME:
        if kept.startswith(prefix):
            kept = kept.removeprefix(prefix)
            break
    else:
        if kept.startswith("00"):
            kept = "+" + kept[2:]
        elif len(kept) == 13 and kept.startswith("861"):
            kept = kept[2:]
    plus = "+" if kept.startswith("+") else ""
    digits = "".join(char for char in kept if char.isascii() and char.isdigit())
    return plus + digits if digits else ""
