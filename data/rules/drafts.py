"""What goes to a language model and what may come back: personal data is masked before it leaves, and an answer that
says more than its sources do is not sent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from data.rules.kf_answers import TEXT_MAX_BYTES


class Outcome(StrEnum):
    """What became of a question to the model.

    `drafted`: a person decides; `ready`: it may be sent; `sent`: it was. `no_answer`: the model says that the sources
    have none. `refused`: the answer is not one that may be sent. `failed`: there was none in time, or none at all.
    """

    DRAFTED = "drafted"
    READY = "ready"
    SENT = "sent"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model wrote, from which answers of the knowledge; `id` of the row that keeps it. `sends`: it is to be
    sent; otherwise it is shown to whoever serves the customer."""

    id: int
    text: str
    sources: tuple[int, ...]
    sends: bool


#: What the model is told to write where the sources have no answer.
NO_ANSWER = "无答案"
#: Fewer digits are a time, a price or a number of things.
DIGITS_LEAST = 7
#: What people put between the digits of a number, and what nobody sees.
_BETWEEN = r"[\s\-‐-―−－_.·．,，()（）/／+\u00ad\u200b-\u200f\u2060\ufeff]{0,3}"
_DIGIT = r"[\d〇零一二三四五六七八九幺①-⑨⓪]"
_NAMED = r"[A-Za-z0-9Ａ-Ｚａ-ｚ０-９._%+\-．＿％＋－]"
_MAIL = re.compile(rf"{_NAMED}+[\s\u200b-\u200f\u2060\ufeff]?[@＠][\s\u200b-\u200f\u2060\ufeff]?{_NAMED}+")
_NUMBER = re.compile(rf"[A-Za-zＡ-Ｚａ-ｚ]{{0,3}}(?:{_DIGIT}{_BETWEEN}){{{DIGITS_LEAST - 1},}}{_DIGIT}[XxＸｘ]?")
#: Ids of WeCom and WeChat, and other long runs of letters and digits.
_ID = re.compile(r"(?<![A-Za-z0-9_-])(?:wm|wo|wk|wx|gh_|wxid_|o[A-Za-z0-9])[A-Za-z0-9_-]{8,}|[A-Za-z0-9_-]{24,}")
_KINDS = (("邮箱", _MAIL), ("号码", _NUMBER), ("账号", _ID))

_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s<>\"'，。；、）)】」]+|(?:[a-z0-9-]+\.)+[a-z]{2,}(?:[/:?#][^\s<>\"'，。；、）)】」]*)?"
)
#: Endings of names of files are no addresses.
_FILES = frozenset(
    {"jpg", "jpeg", "png", "gif", "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "txt", "mp4", "zip"}
)
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")


def mask(text: str) -> tuple[str, dict[str, str]]:
    """A text with marks in the place of e-mail addresses, long numbers (telephones, ids, bank cards) and accounts, and
    what each mark stands for."""
    found: dict[str, str] = {}
    for name, pattern in _KINDS:
        for value in dict.fromkeys(match[0] for match in pattern.finditer(text)):
            number = 0
            while (mark := f"〔{name}{_letters(number)}〕") in found or mark in text:
                number += 1
            found[mark] = value
        marks = {value: mark for mark, value in found.items()}
        text = pattern.sub(lambda match, marks=marks: marks[match[0]], text)  # type: ignore[misc]
    return text, found


def _letters(number: int) -> str:
    """A, B … Z, AA, BB …: no digits, which would be a number again."""
    return chr(ord("A") + number % 26) * (number // 26 + 1)


def unmask(text: str, found: Mapping[str, str]) -> str:
    """The text with what the marks stand for."""
    for mark in reversed([*found]):
        text = text.replace(mark, found[mark])
    return text


def harmless(words: str) -> str:
    """A customer's words as data in a request: nothing in them ends the place where they stand."""
    return _UNSEEN.sub("", words).replace("<", "＜").replace(">", "＞")


def refusal(answer: str, sources: Iterable[str], question: str) -> str:
    """Why an answer may not be sent; empty: it may.

    Every address in it stands in one of the sources; so does every number and mail, or in the customer's own question.
    """
    if not answer.strip():
        return "empty"
    if len(answer.encode("utf-8", "replace")) > TEXT_MAX_BYTES:
        return "too_long"
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" for char in answer):
        return "control_characters"
    if "〔" in answer or "customer_words" in answer:
        return "marks"
    known = [*sources]
    if addresses(answer) - {each for source in known for each in addresses(source)}:
        return "link"
    told = {each for text in (*known, question) for each in _contacts(text)}
    if _contacts(answer) - told:
        return "number"
    return ""


def addresses(text: str) -> set[str]:
    """Everything in a text that a telephone makes a link of, however it is written."""
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).replace("。", ".").casefold()
    spaced = re.sub(r"\s*([.:/])\s*", r"\1", plain)
    found: set[str] = set()
    for form in (plain, spaced):
        for match in _ADDRESS.finditer(form):
            address = match[0].rstrip(".,;:!?)")
            if "://" not in address and re.split(r"[/:?#]", address)[0].rpartition(".")[2] in _FILES:
                continue
            found.add(address.removeprefix("https://").removeprefix("http://").rstrip("/"))
    return found


def _contacts(text: str) -> set[str]:
    """The digits of each long number and the letters of each mail address."""
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()
    numbers = {re.sub(r"\D", "", match[0]) for match in _NUMBER.finditer(plain)}
    return {each for each in numbers if each} | {re.sub(r"\s", "", match[0]) for match in _MAIL.finditer(plain)}
