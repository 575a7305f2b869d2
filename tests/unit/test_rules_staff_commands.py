"""What staff write to the app: only whole commands are commands, whatever the text is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.staff_commands import (
    ACT_WITHIN,
    MAX_LENGTH,
    NUMBERED,
    WORDS,
    Command,
    Verb,
    is_stale,
    may_command,
    parse_command,
)

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)
names = st.text("abAB", min_size=1, max_size=3)


@given(ANY_TEXT)
def test_any_text_is_one_of_the_commands_or_none(text: str) -> None:
    command = parse_command(text)
    if command is not None:
        assert len(text) <= MAX_LENGTH
        assert command.number is None or (command.verb in NUMBERED and 0 <= command.number < 10**18)


@given(st.sampled_from(sorted(WORDS)), st.integers(0, 10**18 - 1))
def test_a_word_and_a_number_are_a_command_however_they_are_written(word: str, number: int) -> None:
    verb = WORDS[word]
    wide = "".join(chr(ord(each) + 0xFEE0) for each in str(number))
    for written in (f"{word}{number}", f"  {word.upper()} #{number}。", f"{word}　{wide}\n"):
        assert parse_command(written) == (Command(verb, number) if verb in NUMBERED else None)
    assert parse_command(f"{word}！") == Command(verb)
    for more in (f"请{word}", f"{word}吧", f"{word} {number} {number}", f"{word} -{number}", f"{word} {{{{ 7 * 7 }}}}"):
        assert parse_command(more) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "待办" * 5000,
        "暂停 " + "1" * 10_000,
        "暂停 1\n恢复 1",
        "{{ config }}",
        "暂停 1'; --",
        "暂停\x00 1",
        "﷽" * 40,
    ],
)
def test_hostile_texts_are_none(text: str) -> None:
    assert parse_command(text) is None


def test_arabic_digits_are_no_number() -> None:
    assert parse_command("暂停 ١٢") is None
    assert parse_command("暂停") == Command(Verb.PAUSE)


@given(st.sampled_from(Verb), names, st.one_of(st.just(""), names), st.lists(names), st.lists(names))
def test_who_may(verb: Verb, userid: str, owner: str, managers: list[str], approvers: list[str]) -> None:
    given_ = {"owner": owner, "managers": managers, "approvers": approvers}
    allowed = may_command(verb, userid, owner=owner, managers=managers, approvers=approvers)
    full = {each.casefold() for each in (owner, *managers)}
    read = full | {each.casefold() for each in approvers}
    assert allowed == (userid.casefold() in (read if verb is Verb.RESULTS else full))
    assert may_command(verb, userid.swapcase(), owner=owner, managers=managers, approvers=approvers) == allowed
    assert not may_command(verb, "", owner="", managers=[], approvers=[]), given_


@given(st.timedeltas(-timedelta(days=9), timedelta(days=9)))
def test_what_waited_long_is_stale(age: timedelta) -> None:
    assert is_stale(NOW - age, NOW) == (age > ACT_WITHIN)
