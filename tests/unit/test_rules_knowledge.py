"""Which answer a question gets: like questions score high, unlike ones nothing, and rare words decide."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.rules.knowledge import Answer, KnowledgePair, compare, digest_of, meant, pairs_of, problems, weight
from data.rules.knowledge_words import BUILT_IN
from data.rules.problems import parse

terms_of = BUILT_IN.terms_of
WORDS = st.text(st.sampled_from("怎么退款发货地址会员积分abc 12，。"), max_size=12)


def rarities(questions: tuple[str, ...]) -> dict[str, int]:
    return dict(Counter(gram for words in questions for gram in pairs_of(words)))


@given(WORDS, WORDS, st.lists(WORDS, max_size=8))
def test_a_score_is_a_share_and_only_what_is_shared_counts(question: str, phrasing: str, others: list[str]) -> None:
    found = compare(question, phrasing, rarities((phrasing, *others)), len(others) + 1)
    assert 0 <= found.score <= 1
    assert set(found.shared) <= terms_of(phrasing).keys()
    assert found.by_letter == 1 or set(found.shared) <= terms_of(question).keys()
    assert (found.score > 0) is bool(found.shared)
    if pairs_of(question) and pairs_of(question) == pairs_of(phrasing):
        assert found.score == 1


@given(st.lists(WORDS, min_size=2, max_size=8), st.data())
def test_of_two_that_differ_in_one_pair_the_rarer_one_weighs_more(phrasings: list[str], data: st.DataObject) -> None:
    known = rarities(tuple(phrasings))
    if len(known) < 2:
        return
    first, second = data.draw(st.lists(st.sampled_from(sorted(known)), min_size=2, max_size=2, unique=True))
    if known[first] < known[second]:
        assert weight(known[first], len(phrasings)) > weight(known[second], len(phrasings))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("发货地址可以改吗", {"发货", "地址", "改"}),
        ("请问你们家的快递费怎么算呢", {"运费", "算"}),
        ("会员卡能用吗", {"会员", "员卡", "用"}),
        ("怎么办", {"怎么", "么办"}),
        ("Could I get my money back, please?", {"退款"}),
        ("returning two mugs", {"退货", "two", "mug"}),
        ("ＶＩＰ有什么优\u200b惠？", {"会员", "优惠"}),
        ("", set()),
    ],
)
def test_what_a_question_says(text: str, said: set[str]) -> None:
    assert set(terms_of(text)) == said


def test_no_answer_is_given_where_another_is_as_like() -> None:
    phrasings = ("会员积分怎么用", "会员积分会过期吗", "怎么退货")
    known = rarities(phrasings)

    def ask(question: str) -> int | None:
        found = [
            Answer(number, words, "", None, compare(question, words, known, len(phrasings)))
            for number, words in enumerate(phrasings)
        ]
        answer = meant(sorted(found, key=lambda each: -each.score))
        return answer.pair_id if answer else None

    assert [ask(words) for words in ("会员积分", "会员的积分如何使用", "积分过期", "杯子可以退货吗", "退货地址")] == [
        None, 0, 1, 2, None,
    ]  # fmt: skip


@given(st.text(max_size=60))
@example("÷")
def test_any_text_is_read(text: str) -> None:
    assert all(0 < part <= 1 for part in terms_of(text).values())
    assert bool(terms_of(text)) is bool(pairs_of(text))


def test_equal_questions_have_equal_digests() -> None:
    assert digest_of("怎么退款？") == digest_of("怎么退款！！") != digest_of("怎么退货")
    assert digest_of("ＶＩＰ怎么办") == digest_of("vip怎么办")


def test_what_is_wrong_with_a_pair() -> None:
    for wrong, path in (
        ({"phrasings": [], "text": "x"}, "phrasings"),
        ({"phrasings": ["怎么退款", "怎么退款？"], "text": "x"}, "phrasings[1]"),
        ({"phrasings": ["？？"], "text": "x"}, "phrasings[0]"),
        ({"phrasings": ["长" * 201], "text": "x"}, "phrasings[0]"),
        ({"phrasings": ["问"], "text": " "}, "text"),
        ({"phrasings": ["问"], "text": "长" * 683}, "text"),
        (
            {"phrasings": ["问"], "attachment": {"msgtype": "link", "title": "t", "url": "javascript:x", "media": "m"}},
            "attachment.url",
        ),
    ):
        assert [each.path for each in problems(parse(KnowledgePair, wrong))] == [path], wrong
    assert problems(parse(KnowledgePair, {"phrasings": ["问"], "attachment": {"msgtype": "image", "media": "m"}})) == []
