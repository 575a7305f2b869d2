"""What a customer has filled in: read from the page, told in words, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from data.rules.fields import YEARS, Birthday
from data.rules.forms import AND, AskBirthday, AskChoice, AskChoices, AskConsent, AskDate, AskText, Form, Question
from data.rules.problems import InvalidRuleError, parse
from data.rules.texts import one_line

#: Values of a page's inputs by their names; a box that is not ticked has none.
Posted = Mapping[str, Sequence[str]]
#: Values by the questions' keys: a birthday as JSON, a date as YYYY-MM-DD, chosen texts, a text, whether a box is
#: ticked. What was left open is missing.
Answers = dict[str, Any]


class Fault(StrEnum):
    """Why an answer cannot be taken."""

    REQUIRED = "required"
    BIRTHDAY = "birthday"
    DATE = "date"
    CHOICE = "choice"
    MOST = "most"
    LONG = "long"


class Filled(NamedTuple):
    """What was read from a page, and by key what is wrong."""

    answers: Answers
    faults: dict[str, Fault]


def input_name(key: str, part: str = "") -> str:
    """What the input of a question is called on the page."""
    return f"a.{key}.{part}" if part else f"a.{key}"


def read_posted(form: Form, posted: Posted) -> Filled:
    """Read what was filled in; what is not of this form is not looked at."""
    answers: Answers = {}
    faults: dict[str, Fault] = {}
    for question in form.questions:
        try:
            value = _read(question, posted)
        except _FaultyError as error:
            faults[question.key] = error.fault
            continue
        if value is not None:
            answers[question.key] = value
        if question.required and not value:
            faults[question.key] = Fault.REQUIRED
    return Filled(answers, faults)


class _FaultyError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def _read(question: Question, posted: Posted) -> Any:
    given = [value for each in posted.get(input_name(question.key), ()) if (value := _plain(each))]
    match question:
        case AskBirthday():
            return _birthday({part: _first(posted, input_name(question.key, part)) for part in BIRTHDAY_PARTS})
        case AskConsent():
            return bool(given)
        case AskChoice() | AskChoices():
            return _chosen(question, given)
        case AskDate():
            return _date(given[0]) if given else None
        case AskText():
            if given and len(given[0]) > question.max_length:
                raise _FaultyError(Fault.LONG)
            return given[0] if given else None


BIRTHDAY_PARTS = ("calendar", "month", "day", "year", "leap_month")


def _first(posted: Posted, name: str) -> str:
    return next(iter(posted.get(name, ())), "").strip()


def _plain(text: str) -> str:
    """A text as one line: whoever presses return in a field means nothing by it."""
    kept = " ".join(text.split())
    try:
        return one_line(kept)
    except ValueError:
        return " ".join("".join(char if char.isprintable() else " " for char in kept).split())


def _birthday(said: Mapping[str, str]) -> dict[str, Any] | None:
    if not said["month"] and not said["day"] and not said["year"]:
        return None
    lunar = said["calendar"] == "lunar"
    try:
        numbers = {part: _number(said[part]) for part in ("month", "day", "year") if said[part]}
        born = parse(
            Birthday,
            {"calendar": "lunar" if lunar else "solar", "leap_month": lunar and bool(said["leap_month"]), **numbers},
        )
    except (ValueError, InvalidRuleError):
        raise _FaultyError(Fault.BIRTHDAY) from None
    return born.model_dump(mode="json")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise ValueError(text)
    return int(text)


def _date(text: str) -> str:
    try:
        day = date.fromisoformat(text) if len(text) == 10 and text.isascii() else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != text or not YEARS[0] <= day.year <= YEARS[1]:
        raise _FaultyError(Fault.DATE)
    return text


def _chosen(question: AskChoice | AskChoices, given: Sequence[str]) -> Any:
    known = [each.text for each in question.choices]
    wanted = set(given)
    if not wanted <= set(known):
        raise _FaultyError(Fault.CHOICE)
    if isinstance(question, AskChoice):
        if len(wanted) > 1:
            raise _FaultyError(Fault.CHOICE)
        return given[0] if given else None
    if len(wanted) > question.most:
        raise _FaultyError(Fault.MOST)
    return [each for each in known if each in wanted] or None


def to_posted(answers: Answers) -> dict[str, list[str]]:
    """Answers as the page that shows them again has them in its inputs."""
    found: dict[str, list[str]] = {}
    for key, value in answers.items():
        if isinstance(value, dict):
            for part in BIRTHDAY_PARTS:
                if said := value.get(part):
                    found[input_name(key, part)] = [str(said)]
        elif isinstance(value, bool):
            found[input_name(key)] = ["yes"] if value else []
        else:
            found[input_name(key)] = value if isinstance(value, list) else [value]
    return found


# -- what follows


def fields_of(form: Form, answers: Answers, before: Answers) -> dict[str, Any]:
    """What is written into the customer's fields; None where they have taken back what they said `before`."""
    values: dict[str, Any] = {}
    for question in form.questions:
        if not question.field or (question.key not in answers and question.key not in before):
            continue
        value = answers.get(question.key)
        values[question.field] = AND.join(value) if isinstance(value, list) else value
    return values


def tags_of(form: Form, answers: Answers, before: Answers) -> tuple[set[str], set[str]]:
    """(tags to put on, tags to take off: of what they have chosen before and do not any more)."""
    wanted = _chosen_tags(form, answers) | form.tag_ids
    return wanted, _chosen_tags(form, before) - wanted


def _chosen_tags(form: Form, answers: Answers) -> set[str]:
    found: set[str] = set()
    for question in form.questions:
        if isinstance(question, AskChoice | AskChoices):
            said = answers.get(question.key)
            chosen = said if isinstance(said, list) else [said]
            found |= {tag_id for each in question.choices if each.text in chosen for tag_id in each.tag_ids}
    return found


def is_opted_out(form: Form, answers: Answers, before: Answers) -> bool | None:
    """Whether the customer wants to hear nothing any more; None: they have said nothing of it."""
    for question in form.questions:
        if isinstance(question, AskConsent) and question.wish != "none":
            ticked = bool(answers.get(question.key))
            if ticked or before.get(question.key):
                return ticked == (question.wish == "opt_out")
    return None


# -- kept and told


def to_kept(form: Form, answers: Answers) -> list[dict[str, Any]]:
    """Answers as they are kept: with what was asked, for the form may ask something else later."""
    return [
        {
            "key": each.key,
            "title": each.title,
            **({"text": each.text} if isinstance(each, AskConsent) else {}),
            "value": answers[each.key],
        }
        for each in form.questions
        if each.key in answers
    ]


def from_kept(kept: Iterable[Mapping[str, Any]]) -> Answers:
    """The same read again."""
    return {each["key"]: each["value"] for each in kept}


def words_of(kept: Iterable[Mapping[str, Any]]) -> str:
    """Answers in words, a line each."""
    return "\n".join(f"{each['title']}：{_words(each['value'])}" for each in kept)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return AND.join(value)
    if not isinstance(value, dict):
        return str(value)
    calendar = "农历" if value["calendar"] == "lunar" else "公历"
    year = f"{value['year']}年" if value.get("year") else ""
    leap = "闰" if value.get("leap_month") else ""
    return f"{calendar}{year}{leap}{value['month']}月{value['day']}日"
