"""Message templates: what is allowed, that values arrive literally, and that what was checked always fits."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bot.render import CONTRACTS, Contract, Renderer, TemplateError, clean_value, clip, contract_for, split_text
from bot.render.grammar import MAX_SOURCE_BYTES
from bot.render.values import is_visible

RENDERER = Renderer()
WELCOME = CONTRACTS["welcome"]
SHIPPED = [(kind, slug) for kind in sorted({each.kind for each in CONTRACTS.values()}) for slug in RENDERER.slugs(kind)]
#: Every code point, lone surrogates too: what a decoder let through.
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


def codes(source: str, kind: str = "welcome", slug: str = "") -> list[str]:
    return [problem.code for problem in RENDERER.check(kind, source, slug)]


def size(text: str) -> int:
    return len(text.encode())


# Shipped templates and contracts


@pytest.mark.parametrize(("kind", "slug"), SHIPPED)
def test_every_shipped_template_renders_under_its_contract(kind: str, slug: str) -> None:
    contract = contract_for(kind, slug)
    assert RENDERER.check(kind, RENDERER.source(kind, slug), slug) == []
    for values in ({}, contract.samples(), dict.fromkeys(contract.names, "名" * 5000)):
        text = RENDERER.render(kind, slug, values)
        assert text.strip() == text
        assert 0 < size(text) <= contract.max_output_bytes
        assert "{" not in text
        assert "  " not in text


def test_every_contract_with_a_slug_has_its_template_and_the_other_way_round() -> None:
    shipped = {f"{kind}/{slug}" for kind, slug in SHIPPED}
    assert {f"{each.kind}/{each.slug}" for each in CONTRACTS.values() if each.slug} <= shipped
    assert {kind for kind, _ in SHIPPED} <= {each.kind for each in CONTRACTS.values()}
    assert RENDERER.slugs("welcome")
    assert "default" in RENDERER.slugs("welcome")


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS.keys())
def test_every_variable_has_words_that_fit(contract: Contract) -> None:
    assert len(set(contract.names)) == len(contract.names)
    for variable in contract.variables:
        assert variable.zh
        assert variable.en
        for words in (variable.fallback, variable.sample):
            assert is_visible(words)
            assert clip(clean_value(words), variable.max_bytes) == words


def test_an_unknown_kind_or_template_names_those_that_exist() -> None:
    with pytest.raises(LookupError, match="staff_alert/customer_lost"):
        contract_for("birthday")
    with pytest.raises(TemplateError, match="default"):
        RENDERER.render("welcome", "nope", {})
    for escaping in ("../welcome/default", "/etc/passwd", ""):
        with pytest.raises(TemplateError):
            RENDERER.source("welcome", escaping)


def test_templates_come_from_the_folder_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "welcome").mkdir()
    (tmp_path / "welcome" / "vip.j2").write_text("尊敬的{{ customer_name }}\n", "utf-8")
    assert Renderer(tmp_path).render("welcome", "vip", {"customer_name": "王总"}) == "尊敬的王总"


# What a template may contain


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% if customer_name == '小鱼' %}A{% elif staff_name %}B{% else %}C{% endif %}", "A"),
        ("{{ 'A' if '鱼' in customer_name else 'B' }}", "A"),
        ("{{ 'A' if not (customer_name != '小鱼' or staff_name == 'x') and staff_name else 'B' }}", "A"),
        ("{{ customer_name ~ '和' ~ staff_name }}", "小鱼和李婷"),
        ("{{ '' or customer_name }}", "小鱼"),
        ("{{ company_name | truncate(3) }}", "青禾…"),
        ("{{ company_name | truncate(4) }}", "青禾茶业"),
        ("{{ '  a ' | trim }}", "a"),
        ("{# 备注 #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("反斜杠 \\n 和 $1", "反斜杠 \\n 和 $1"),
        ("{% if staff_name %}\n一\n{% endif %}\n二\n", "一\n二"),
    ],
)
def test_what_templates_can_do(source: str, expected: str) -> None:
    assert RENDERER.check("welcome", source) == []
    assert RENDERER.preview("welcome", source) == expected


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("{{ nickname }}", "unknown_variable"),
        ("{{ range(9) }}", "forbidden"),
        ("{{ customer_name() }}", "forbidden"),
        ("{{ customer_name.upper() }}", "forbidden"),
        ("{{ customer_name.__class__ }}", "forbidden"),
        ("{{ customer_name[0] }}", "forbidden"),
        ("{{ customer_name * 9 }}", "forbidden"),
        ("{{ 'a' * 999999999 }}", "forbidden"),
        ("{{ 9 ** 9 ** 9 }}", "forbidden"),
        ("{{ customer_name + staff_name }}", "forbidden"),
        ("{{ customer_name % 9 }}", "forbidden"),
        ("{{ 9 }}", "forbidden"),
        ("{{ none }}", "forbidden"),
        ("{{ [customer_name] }}", "forbidden"),
        ("{{ customer_name is defined }}", "forbidden"),
        ("{{ customer_name == 'a' }}", "forbidden"),
        ("{{ not customer_name }}", "forbidden"),
        ("{% if customer_name > 'a' %}{% endif %}", "forbidden"),
        ("{% for c in customer_name %}{{ customer_name }}{% endfor %}", "forbidden"),
        ("{% set x = customer_name %}", "forbidden"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "forbidden"),
        ("{% include 'default' %}", "forbidden"),
        ("{% import 'default' as d %}", "forbidden"),
        ("{% extends 'default' %}", "forbidden"),
        ("{% block b %}{% endblock %}", "forbidden"),
        ("{% with %}{% endwith %}", "forbidden"),
        ("{% filter trim %}{% endfilter %}", "forbidden"),
        ("{{ customer_name | upper }}", "unknown_filter"),
        ("{{ customer_name | center(99999999) }}", "unknown_filter"),
        ("{{ customer_name | truncate }}", "bad_argument"),
        ("{{ customer_name | truncate(0) }}", "bad_argument"),
        ("{{ customer_name | truncate(true) }}", "bad_argument"),
        ("{{ customer_name | truncate(length=3) }}", "bad_argument"),
        ("{{ customer_name | truncate(*staff_name) }}", "bad_argument"),
        ("{{ customer_name | trim('x') }}", "bad_argument"),
        ("{{ 'A' if customer_name }}", "no_else"),
        ("{{ 'a\\nb' }}", "backslash"),
        ("{{ '\\ud800' }}", "backslash"),
        ("{{ '\\d' }}", "backslash"),
        ("\x00", "control_character"),
        ("\x1b[31m", "control_character"),
        ("\ud800", "control_character"),
        ("{{ customer_name", "syntax"),
        ("{% if customer_name %}", "syntax"),
        ("{% frobnicate %}", "syntax"),
        ("{{ " + "9" * 5000 + " }}", "syntax"),
        ("{% if " + "9" * 5000 + " %}{% endif %}", "syntax"),
        ("{{ " + "(" * 3000 + "customer_name" + ")" * 3000 + " }}", "too_deep"),
        ("{{ " + "(" * 30 + "customer_name" + ")" * 30 + " }}", ""),
        ("{{ " + " or ".join(["customer_name"] * 200) + " }}", "too_deep"),
        ("{% if " + "not " * 3000 + "customer_name %}{% endif %}", "too_deep"),
        ("{% if customer_name %}" * 300 + "{% endif %}" * 300, "too_deep"),
        ("{% if customer_name %}" + "{% elif customer_name %}" * 600 + "{% endif %}", "too_deep"),
        ("a" * (MAX_SOURCE_BYTES + 1), "source_too_long"),
        ("你" * 1334, "too_long"),
        ("你" * 1300 + "{{ customer_name }}", "too_long"),
    ],
)
def test_what_templates_cannot_do(source: str, code: str) -> None:
    assert codes(source)[:1] == ([code] if code else [])
    if code:
        with pytest.raises(TemplateError):
            RENDERER.render_source("welcome", source, {})


def test_a_problem_names_its_line_and_the_variables_that_exist() -> None:
    (problem,) = RENDERER.check("welcome", "您好\n{{ customer_name }}\n{{ nickname }}")
    assert problem.line == 3
    assert "nickname" in problem.message
    for name in WELCOME.names:
        assert name in problem.message
    (syntax,) = RENDERER.check("welcome", "您好\n{% if %}{% endif %}")
    assert syntax.line == 2


def test_an_error_tells_the_line_too() -> None:
    with pytest.raises(TemplateError, match=r"第 2 行.*nickname"):
        RENDERER.render_source("welcome", "您好\n{{ nickname }}", {})


def test_all_problems_are_told_at_once() -> None:
    assert codes("{{ a }}{{ b }}\n{% for c in d %}{% endfor %}") == ["unknown_variable"] * 2 + ["forbidden"]


def test_the_limit_counts_bytes_of_the_longest_case() -> None:
    name = 128
    assert codes("a" * (4000 - name) + "{{ customer_name }}") == []
    assert codes("a" * (4001 - name) + "{{ customer_name }}") == ["too_long"]
    either = "{% if staff_name %}{{ customer_name }}{% else %}" + "b" * 200 + "{% endif %}"
    assert RENDERER.longest_bytes("welcome", either) == 200


def test_who_needs_a_fetch_is_known_before() -> None:
    source = "{% if customer_name %}{{ staff_name }}{% endif %}"
    assert RENDERER.variables_of("welcome", source) == {"customer_name", "staff_name"}
    assert RENDERER.needs_fetch("welcome", source)
    assert not RENDERER.needs_fetch("welcome", "{{ staff_name }}")
    with pytest.raises(TemplateError):
        RENDERER.variables_of("welcome", "{{ oops }}")


# Values


@pytest.mark.parametrize("value", [None, "", "  ", "\u200b\u200d", "\x00\x07", "\u3164", "\ufe0f\u2060"[1:]])
def test_a_missing_or_invisible_value_becomes_the_fallback(value: str | None) -> None:
    assert RENDERER.render_source("welcome", "{{ customer_name }}", {"customer_name": value}) == "朋友"
    assert RENDERER.render_source("welcome", "{{ customer_name }}", {}) == "朋友"


def test_a_value_the_contract_does_not_know_is_an_error() -> None:
    with pytest.raises(TemplateError, match="customer_nmae"):
        RENDERER.render_source("welcome", "您好", {"customer_nmae": "x"})


@settings(deadline=None)
@given(value=ANY_TEXT)
@example("$1 \\1 \\g<0> %s {0} %(x)s")
@example("{{ staff_name }}{% for x in y %}{# #}")
@example("<b>&amp;'\"</b>")
@example("\u202e倒\u2066着\u200b写")
@example("第一行\r\n第二行\x00")
@example("👨‍👩‍👧‍👦" * 40)
def test_any_value_arrives_literally(value: str) -> None:
    text = RENDERER.render_source("welcome", "[{{ customer_name }}|{{ staff_name }}]", {"customer_name": value})
    kept = "".join(char for char in value if char == "\n" or unicodedata.category(char) not in ("Cc", "Cs"))
    shown = clip(kept, 128) if is_visible(kept) else "朋友"
    assert text == f"[{shown}|您的专属顾问]"


@settings(deadline=None)
@given(value=ANY_TEXT)
@example('<a href="https://evil.example">领奖</a>')
def test_a_customer_cannot_put_a_link_into_an_alert(value: str) -> None:
    text = RENDERER.render("staff_alert", "customer_lost", {"customer_name": value})
    assert "<" not in text


# Cutting


@settings(deadline=None)
@given(text=st.text(), limit=st.integers(0, 60))
@example("e\u0301" * 30, 31)
@example("👍🏽" * 9, 20)
@example("🇨🇳" * 9, 20)
@example("👨‍👩‍👧‍👦" * 3, 30)
@example("a" + "\u0301" * 50, 20)
def test_a_clipped_text_is_the_longest_beginning_that_fits(text: str, limit: int) -> None:
    cut = clip(text, limit)
    assert text.startswith(cut)
    assert size(cut) <= limit
    if cut != text:
        assert size(text) > limit


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("你好", 5, "你"),
        ("e\u0301e\u0301", 5, "e\u0301"),
        ("好👍🏽", 10, "好"),
        ("🇨🇳🇯🇵", 15, "🇨🇳"),
        ("a🇨🇳", 6, "a"),
        ("好👨‍👩‍👧", 20, "好"),
        ("👨‍👩‍👧", 10, "👨‍"),
        ("❤️❤️", 7, "❤️"),
    ],
)
def test_characters_keep_their_parts(text: str, limit: int, expected: str) -> None:
    assert clip(text, limit) == expected


@settings(deadline=None)
@given(text=st.text(st.sampled_from("ab\n你👍\u0301🏽"), max_size=200), limit=st.integers(4, 40))
@example(text="🏽\n\n\n你", limit=4)
def test_a_text_split_for_app_messages_loses_only_line_ends(text: str, limit: int) -> None:
    parts = split_text(text, limit)
    assert all(0 < size(part) <= limit for part in parts)
    assert "".join(parts).replace("\n", "") == text.replace("\n", "")
    # Where a part may end in the text: of line ends in a row it does not show which one was the cut.
    ends = {0}
    for part in parts:
        begins = ends | {end + 1 for end in ends if text.startswith("\n", end)}
        ends = {begin + len(part) for begin in begins if text.startswith(part, begin)}
    assert any(text[end:] in ("", "\n") for end in ends)


def test_a_text_is_split_at_its_line_ends() -> None:
    assert split_text("一二\n三四五\n六", 15) == ["一二", "三四五\n六"]
    assert split_text("一二三", 6) == ["一二", "三"]
    assert split_text("一二\n二", 6) == ["一二", "二"]
    assert split_text("", 4) == []


# Any source at all

FRAGMENTS = st.sampled_from(
    [
        *("{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "(", ")", "[", "]", "'", '"', "|", "~", "."),
        *(",", "\n", " "),
        *("if ", "elif ", "else", "endif", "for ", " in ", "not ", " or ", " and ", "set ", "raw", "endraw", "macro "),
        *("customer_name", "staff_name", "x", "trim", "truncate(3)", "truncate(1)", "truncate", "==", "!=", "<", "*"),
        *("{{ customer_name }}", "{% if staff_name %}", "{% else %}", "{% endif %}", "{{ 'A' if "),
        *("9", "1e9", "你好", "\\"),
    ]
)
VALUES = st.dictionaries(st.sampled_from(WELCOME.names), st.none() | ANY_TEXT)
LONGEST = dict.fromkeys(WELCOME.names, "𠮷" * 1000)

TEXTS = st.recursive(
    st.sampled_from(WELCOME.names) | st.text("ab你 \n", max_size=5).map(lambda text: f"'{text}'"),
    lambda inner: st.one_of(
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} == {t[2]} else {t[0]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} or {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} and {t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} ~ {t[1]})"),
        st.tuples(inner, st.integers(1, 9)).map(lambda t: f"({t[0]} | truncate({t[1]}))"),
        inner.map(lambda text: f"({text} | trim)"),
    ),
    max_leaves=8,
)
BODIES = st.recursive(
    st.text("ab你 \n", max_size=5) | TEXTS.map(lambda text: "{{ " + text + " }}"),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(TEXTS, inner, TEXTS, inner).map(
            lambda t: "{% if " + t[0] + " %}" + t[1] + "{% elif not " + t[2] + " %}" + t[3] + "{% endif %}"
        ),
        st.tuples(TEXTS, inner, inner).map(
            lambda t: "{% if " + t[0] + " %}" + t[1] + "{% else %}" + t[2] + "{% endif %}"
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(source=ANY_TEXT | st.lists(FRAGMENTS, max_size=30).map("".join), values=VALUES)
def test_any_source_is_refused_or_renders_within_its_bound(source: str, values: dict[str, str | None]) -> None:
    if RENDERER.check("welcome", source):
        with pytest.raises(TemplateError):
            RENDERER.render_source("welcome", source, values)
    else:
        limit = RENDERER.longest_bytes("welcome", source)
        assert limit <= 4000
        assert size(RENDERER.render_source("welcome", source, values)) <= limit


@settings(max_examples=200, deadline=None)
@given(source=BODIES, values=VALUES)
def test_an_accepted_template_never_grows_beyond_what_was_told(source: str, values: dict[str, str | None]) -> None:
    refused = codes(source)
    assert set(refused) <= {"too_long", "too_deep"}
    assume(not refused)
    for each in (values, LONGEST, dict.fromkeys(WELCOME.names, "a" * 1000), {}):
        assert size(RENDERER.render_source("welcome", source, each)) <= RENDERER.longest_bytes("welcome", source)


@pytest.mark.parametrize(
    "source",
    [
        "{{" * 8000,
        "{#" * 8000,
        "{% raw %}" * 1800,
        "{{ '" * 4000,
        '{{ "' + "a" * 16000,
        "{{ customer_name | trim" + " | trim" * 2300 + " }}",
        "{{ customer_name" + " ~ customer_name" * 1000 + " }}",
        "{{ customer_name }}" * 800,
        "{{''}}" * 2700,
        "{{ customer_name if customer_name else " * 400 + "customer_name" + " }}" * 400,
        "{% if customer_name " + "== customer_name " * 900 + "%}{% endif %}",
        "{% if '' %}{% endif %}" * 700,
        "-" * 16000,
        "{{ " + "-" * 16000 + "1 }}",
        "{{ " + "[" * 8000 + "]" * 8000 + " }}",
        "{{ " + "customer_name." * 1100 + "x }}",
    ],
    ids=lambda source: source[:24],
)
def test_no_source_takes_long(source: str) -> None:
    renderer, begun = Renderer(), time.process_time()
    if not renderer.check("welcome", source):
        renderer.render_source("welcome", source, LONGEST)
    assert time.process_time() - begun < 3
