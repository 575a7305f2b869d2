"""Tracked links: where one may lead, and states that nobody but us can write."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import ServerSettings
from bot.render import Renderer
from bot.render.contracts import LINK_MAX_BYTES
from data.rules.links import (
    CODE,
    ELSEWHERE,
    Via,
    Way,
    address_of,
    key_of,
    mark_of,
    name_problems,
    new_code,
    normal_target,
    read_mark,
    read_state,
    read_via,
    sign,
    target_problems,
)
from data.rules.messages import MARK_MAX_BYTES, MARK_PARAMETER

OWN = "https://bot.example.com"
KEY = key_of("secret")
numbers = st.integers(0, 2**62)
origins = st.builds(Via, numbers, st.just(0)) | st.builds(Via, st.just(0), numbers)
ways = st.builds(Way, numbers, origins, st.integers(0, 2**31).map(lambda at: datetime.fromtimestamp(at, UTC)))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "data:text/html,x", "//evil.example", "/l/x", "https:evil.example", "http:///evil.example",
        "https://", "ftp://shop.example", "https://user@evil.example", "https://user:pw@evil.example/",
        "https://shop.example\\@evil.example", "https:\\\\evil.example", "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example/ x", "https://shop.example/\tx", "https://商城.example", "https://ｅvil.example",
        "https://shop。example", "https://[::1]/", "https://shop.example:99999/", "https://-a.example", "https://a%2eb/",
        f"{OWN}/l/4fQ0zKm9Xb", "https://BOT.example.com/l/x", "https://shop.example/" + "x" * 2048,
        "https://shop.example/" + "长" * 600,
    ],
)  # fmt: skip
def test_where_no_link_may_lead(url: str) -> None:
    assert [each.path for each in target_problems(url, OWN)] == ["url"]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://shop.example/a?b=c#d", "https://shop.example/a?b=c#d"),
        ("HTTP://Shop.Example:8080", "http://shop.example:8080"),
        ("https://shop.example/春茶?名=绿茶", "https://shop.example/%E6%98%A5%E8%8C%B6?%E5%90%8D=%E7%BB%BF%E8%8C%B6"),
        ("https://shop.example/%E6%98%A5", "https://shop.example/%E6%98%A5"),
        ("https://xn--fiqs8s.example/\"<'>", "https://xn--fiqs8s.example/%22%3C'%3E"),
        ("http://127.0.0.1:3000/x", "http://127.0.0.1:3000/x"),
        (f"{OWN}/other", f"{OWN}/other"),
    ],
)
def test_where_one_may_lead_and_how_that_is_kept(url: str, kept: str) -> None:
    assert target_problems(url, OWN) == []
    assert normal_target(url) == kept
    assert normal_target(kept) == kept


@given(st.text(max_size=40), st.sampled_from(["https://shop.example/", "https://", "http://a.b:80?", "https://a.b#"]))
def test_what_is_kept_is_plain_and_leads_to_the_same_host(text: str, beginning: str) -> None:
    url = beginning + text
    if not target_problems(url, OWN):
        kept = normal_target(url)
        assert re.fullmatch(r"https?://[\x21-\x7e]+", kept)
        assert "\\" not in kept
        assert (urlsplit(kept).scheme, urlsplit(kept).hostname) == (urlsplit(url).scheme, urlsplit(url).hostname)


@pytest.mark.parametrize("name", ["", "a b", "a-b", "a.b", "{{x}}", "a\n", "ｆull", "a\u202e", "e\u0301", "😀"])
def test_what_cannot_be_a_name(name: str) -> None:
    assert [each.path for each in name_problems(name)] == (["name"] if name else [])


@given(st.text(min_size=1, max_size=32))
def test_a_link_of_any_name_can_be_named_in_a_text(name: str) -> None:
    renderer = Renderer()
    if not name_problems(name):
        source = f"{{{{ link_{name} }}}}"
        assert renderer.check("broadcast", source) == []
        assert renderer.links_of("broadcast", source) == {name}
        assert renderer.render_source("broadcast", source, {f"link_{name}": "https://a.b/l/x"}) == "https://a.b/l/x"


@pytest.mark.parametrize("name", ["spring", "春茶上新", "618大促", "keys", "_"])
def test_names(name: str) -> None:
    assert name_problems(name) == []


def test_a_code_is_drawn_from_all_letters_and_digits() -> None:
    code = new_code(random.Random(1).choice)
    assert CODE.fullmatch(code)


@given(origins.filter(any))
def test_an_address_tells_what_it_stands_in_and_is_as_long_as_texts_count(via: Via) -> None:
    longest = ServerSettings(public_url=f"https://{'a' * 87}/").public_url
    address = address_of(longest, "4fQ0zKm9Xb", via)
    assert len(address) <= LINK_MAX_BYTES
    assert read_via(address.rpartition("/")[2]) == via


@given(origins)
def test_a_mark_tells_the_same_and_is_as_long_as_pages_count(via: Via) -> None:
    mark = mark_of("4fQ0zKm9Xb", via)
    assert len(f"&{MARK_PARAMETER}={mark}") <= MARK_MAX_BYTES
    assert re.fullmatch("[0-9A-Za-z-]+", mark)
    assert read_mark(mark) == ("4fQ0zKm9Xb", via)


@given(st.text(max_size=40))
def test_what_is_no_mark(mark: str) -> None:
    code, via = read_mark(mark)
    assert code == "" or mark == code or mark.startswith(f"{code}-")
    assert code != "" or via == ELSEWHERE


def test_an_address_that_stands_anywhere() -> None:
    assert address_of(OWN, "4fQ0zKm9Xb") == f"{OWN}/l/4fQ0zKm9Xb"


@pytest.mark.parametrize("via", ["", "-1", "z" * 13, "A", "١", "1_0", " 1", "é", "w-", "w-w-1", "w1-", "W-1"])
def test_what_we_never_wrote_at_the_end_of_an_address(via: str) -> None:
    assert read_via(via) == ELSEWHERE


@given(st.from_regex("(w-)?[0-9a-z]{1,12}", fullmatch=True))
def test_whatever_is_written_there_comes_back_in_a_state(written: str) -> None:
    way = Way(1, read_via(written), datetime.fromtimestamp(0, UTC))
    assert read_state(KEY, sign(KEY, way)) == way


@given(ways)
def test_a_state_comes_back_as_it_went(way: Way) -> None:
    state = sign(KEY, way)
    assert re.fullmatch("[a-zA-Z0-9]{1,128}", state)
    assert read_state(KEY, state) == way
    assert read_state(key_of("another"), state) is None


@given(ways, st.integers(0, 72), st.sampled_from("0123456789abcdefABCDEF-é١"))
def test_a_state_with_one_letter_changed_is_nobodys(way: Way, at: int, letter: str) -> None:
    state = sign(KEY, way)
    forged = state[:at] + letter + state[at + 1 :]
    assert (read_state(KEY, forged) is None) == (forged != state)


@given(st.text(max_size=200))
def test_anything_else_is_no_state(text: str) -> None:
    assert read_state(KEY, text) is None
