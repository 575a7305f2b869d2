"""Forms (表单) for customers: what one asks, and what is wrong with it. `data/rules/form_answers.py` reads answers."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from bot.phrases import Phrase
from data.rules.fields import BIRTHDAY, TEXT_MAX, FieldKind, FieldName
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.tags import Id
from data.rules.texts import Line, one_line

NAME = r"^[a-z][a-z0-9_]{0,31}$"
QUESTIONS_MAX = 20
CHOICES_MAX = 30
TAGS_MAX = 20
#: Between several chosen things in one field.
AND = "、"
#: A form's page is at this path and its name.
PATH = "/f/"

FormName = Annotated[str, Field(pattern=NAME)]
QuestionKey = Annotated[str, Field(pattern=NAME)]
Title = Annotated[Line, Field(min_length=1, max_length=100)]


def _lines(text: str) -> str:
    for line in text.split("\n"):
        one_line(line)
    return text


#: May have several lines.
Paragraph = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), AfterValidator(_lines)]


class Choice(RuleModel):
    """One thing to choose; whoever does has these tags."""

    text: Annotated[Line, Field(min_length=1, max_length=40)]
    tag_ids: SortedSet[Id] = Field(default=frozenset(), max_length=TAGS_MAX)


class _Question(RuleModel):
    """Asked on a form. `field`: where the answer is written; without it the answer is kept with the form alone."""

    key: QuestionKey
    title: Title
    hint: Annotated[Line, Field(max_length=200)] = ""
    required: bool = False


class AskBirthday(_Question):
    """The customer's birthday, by the solar or the lunar calendar, with or without the year."""

    ask: Literal["birthday"] = "birthday"

    @property
    def field(self) -> str:
        return BIRTHDAY


class AskDate(_Question):
    """A date."""

    ask: Literal["date"] = "date"
    field: FieldName | None = None


class AskChoice(_Question):
    """One of several things."""

    ask: Literal["choice"] = "choice"
    choices: tuple[Choice, ...] = Field(min_length=2, max_length=CHOICES_MAX)
    field: FieldName | None = None


class AskChoices(_Question):
    """Some of several things, at most so many."""

    ask: Literal["choices"] = "choices"
    choices: tuple[Choice, ...] = Field(min_length=2, max_length=CHOICES_MAX)
    most: Annotated[int, Field(strict=True, ge=1, le=CHOICES_MAX)] = CHOICES_MAX
    field: FieldName | None = None


class AskText(_Question):
    """A short text."""

    ask: Literal["text"] = "text"
    max_length: Annotated[int, Field(strict=True, ge=1, le=300)] = 100
    field: FieldName | None = None


class AskConsent(_Question):
    """A box to tick beside the words of what it means, which are kept with the answer.

    `wish`: what it says about messages. `opt_in`: ticked they are welcome, the box unticked again they are not;
    `opt_out`: the other way round. A box that was never ticked says nothing.
    """

    ask: Literal["consent"] = "consent"
    text: Annotated[Paragraph, Field(min_length=1)]
    field: FieldName | None = None
    wish: Literal["none", "opt_in", "opt_out"] = "none"


Question = Annotated[
    AskBirthday | AskDate | AskChoice | AskChoices | AskText | AskConsent, Field(discriminator="ask")
]  # fmt: skip
#: What kind of field takes the answer.
KINDS = {
    "date": FieldKind.DATE,
    "choice": FieldKind.TEXT,
    "choices": FieldKind.TEXT,
    "text": FieldKind.TEXT,
    "consent": FieldKind.FLAG,
}


class Form(RuleModel):
    """A form. Programs, texts and journeys know it by its `name`; customers read the rest.

    Whoever sends it has `tag_ids`. `tells_staff`: the staff member who follows them is told what they answered.
    """

    name: FormName
    title: Title
    introduction: Paragraph = ""
    questions: tuple[Question, ...] = Field(min_length=1, max_length=QUESTIONS_MAX)
    thanks: Paragraph = ""
    tag_ids: SortedSet[Id] = Field(default=frozenset(), max_length=TAGS_MAX)
    tells_staff: bool = False


def problems(form: Form) -> list[Problem]:
    """What is wrong with a form, apart from the fields and the tags that it names."""
    found = [
        *_repeated([(f"questions[{n}].key", each.key) for n, each in enumerate(form.questions)], Phrase("问题的 key")),
        *_repeated(
            [(f"questions[{n}].field", each.field) for n, each in enumerate(form.questions) if each.field],
            Phrase("字段"),
        ),
    ]
    wishes = [
        n for n, each in enumerate(form.questions) if isinstance(each, AskConsent) and each.wish != "none"
    ]  # fmt: skip
    found += [Problem(f"questions[{n}].wish", Phrase("一张表单只能有一个问题决定是否接收消息")) for n in wishes[1:]]
    for number, question in enumerate(form.questions):
        path = f"questions[{number}]"
        if question.field == BIRTHDAY and not isinstance(question, AskBirthday):
            found.append(Problem(f"{path}.field", Phrase("生日请用 birthday 类型的问题")))
        if isinstance(question, AskChoice | AskChoices):
            texts = [(f"{path}.choices[{n}].text", each.text) for n, each in enumerate(question.choices)]
            found += _repeated(texts, Phrase("选项"))
            if isinstance(question, AskChoices) and len(AND.join(text for _, text in texts)) > TEXT_MAX:
                found.append(Problem(f"{path}.choices", Phrase("所有选项合起来不能超过 %(most)s 个字", most=TEXT_MAX)))
    return found


def _repeated(named: list[tuple[str, str]], what: str) -> list[Problem]:
    counts = Counter(name for _, name in named)
    return [
        Problem(path, Phrase("%(what)s %(name)s 重复了", what=what, name=name))
        for path, name in named
        if counts[name] > 1
    ]


def list_tags(form: Form) -> list[tuple[str, str]]:
    """Each tag that a form names, with its path."""
    found = [("tag_ids", each) for each in sorted(form.tag_ids)]
    for number, question in enumerate(form.questions):
        if isinstance(question, AskChoice | AskChoices):
            for place, choice in enumerate(question.choices):
                found += [(f"questions[{number}].choices[{place}].tag_ids", each) for each in sorted(choice.tag_ids)]
    return found


def list_fields(form: Form) -> list[tuple[str, str, FieldKind, str]]:
    """Each field that a form writes into, with its path, the kind it has to be of, and what it is called; but the
    birthday, which is always there."""
    return [
        (f"questions[{number}].field", each.field, KINDS[each.ask], each.title)
        for number, each in enumerate(form.questions)
        if each.field and each.ask in KINDS
    ]
