"""The texts of the console and of messages to staff: written in Chinese where they stand, and translated in
`templates/console/locales`.

One file per noun and language; together they are one catalog. What is missing is found by a test, which lists it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations


def folder() -> Path:
    """Where the console's templates are."""
    return Path(__file__).resolve().parents[1] / "templates" / "console"


def files_of(language: str) -> list[Path]:
    """The catalogs of a language."""
    return sorted((folder() / "locales" / language).glob("*.po"))


def read_catalog(path: Path) -> Catalog:
    """One of them. Raises babel's PoFileError."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.name, abort_invalid=True)


@cache
def translations(language: str) -> NullTranslations:
    """All texts in a language. In Chinese they are what they are."""
    if language == "zh":
        return NullTranslations()
    together = Catalog(locale=language)
    for path in files_of(language):
        for message in read_catalog(path):
            if message.id:
                together.add(message.id, message.string, context=message.context)
    packed = BytesIO()
    write_mo(packed, together)
    packed.seek(0)
    return Translations(packed)


def list_texts() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Every text that the console shows, with the file in which it stands: its own, and what is said below it."""
    here = Path(__file__).parent
    for place, method, pattern in (
        (folder(), "jinja2.ext:babel_extract", "**.html"), (here / "console", "python", "**.py"),
        (here, "python", "reports.py"),
    ):  # fmt: skip
        found = extract_from_dir(
            place, [(pattern, method)], {pattern: {"newstyle_gettext": "true"}}, _KEYWORDS, strip_comment_tags=True
        )
        for name, _line, text, _comments, _context in found:
            yield name, text
    for path in _below():
        for _line, text, _comments, _context in extract_from_file("python", path, {"Phrase": None}):
            yield path.name, text


def _below() -> Iterator[Path]:
    """The files below the console in which there are phrases."""
    whole = Path(__file__).resolve().parents[1]
    for path in sorted(
        each for name in ("bot", "data", "handlers", "scheduler") for each in (whole / name).rglob("*.py")
    ):
        if "console" not in path.parts and b"Phrase(" in path.read_bytes():
            yield path


_KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "Phrase": None
}  # fmt: skip


def list_problems(language: str = "en") -> list[str]:
    """What the catalogs of a language lack, have twice, or have for nothing."""
    texts = {text if isinstance(text, str) else text[0]: name for name, text in list_texts()}
    known: dict[str, str] = {}
    problems = []
    for path in files_of(language):
        for message in read_catalog(path):
            if not message.id:
                continue
            key = message.id if isinstance(message.id, str) else message.id[0]
            if key in known:
                problems.append(f"{path.name}: {key!r} is in {known[key]} as well")
            known[key] = path.name
            strings = (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))
            if not all(strings) or message.fuzzy:
                problems.append(f"{path.name}: {key!r} is not translated")
            if message.check():
                problems.append(f"{path.name}: {key!r} has other placeholders")
            if key not in texts:
                problems.append(f"{path.name}: {key!r} is shown nowhere")
    return problems + [f"{name}: {key!r} is in no catalog" for key, name in texts.items() if key not in known]
