"""Which answer a question gets: like questions score high, unlike ones nothing, and rare words decide."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.knowledge import ENOUGH, KnowledgePair, compare, digest_of, pairs_of, problems, weight
from data.rules.problems import parse

WORDS = st.text(st.sampled_from("怎么退款发货地址会员积分abc 12，。"), max_size=12)
QUESTIONS = ("怎么退款", "怎么退货", "什么时候发货", "发货地址怎么改", "会员积分怎么用", "营业时间是几点")


def rarities(questions: tuple[str, ...]) -> dict[str, int]:
    return dict(Counter(gram for words in questions for gram in pairs_of(words)))


@given(WORDS, WORDS, st.lists(WORDS, max_size=8))
def test_a_score_is_a_share_and_only_what_is_shared_counts(question: str, phrasing: str, others: list[str]) -> None:
    known = rarities((phrasing, *others))
    found = compare(pairs_of(question), pairs_of(phrasing), known, len(others) + 1)
    assert 0 <= found.score <= 1
    assert set(found.shared) == pairs_of(question) & pairs_of(phrasing)
    assert (found.score > 0) is bool(found.shared)
    if pairs_of(question) and pairs_of(question) == pairs_of(phrasing):
        assert found.score == pytest.approx(1)
    assert found.score <= found.of_phrasing + 1e-9


@given(st.lists(WORDS, min_size=2, max_size=8), st.data())
def test_of_two_that_differ_in_one_pair_the_rarer_one_weighs_more(phrasings: list[str], data: st.DataObject) -> None:
    known = rarities(tuple(phrasings))
    if len(known) < 2:
        return
    first, second = data.draw(st.lists(st.sampled_from(sorted(known)), min_size=2, max_size=2, unique=True))
    if known[first] < known[second]:
        assert weight(known[first], len(phrasings)) > weight(known[second], len(phrasings))


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("怎么退款？", "怎么退款"),
        ("请问一下怎么退款呀", "怎么退款"),
        ("怎么 退 货", None),
        ("你们什么时候发货啊", "什么时候发货"),
        ("发货地址怎么修改呢", "发货地址怎么改"),
        ("怎么换货", None),
        ("会员积分", None),
        ("积分怎么用", "会员积分怎么用"),
        ("怎么办", None),
        ("今天天气不错", None),
    ],
)
def test_which_question_is_meant(question: str, wanted: str | None) -> None:
    known = rarities(QUESTIONS)
    scores = {each: compare(pairs_of(question), pairs_of(each), known, len(QUESTIONS)).score for each in QUESTIONS}
    best = max(scores, key=lambda each: scores[each])
    assert (best if scores[best] >= ENOUGH else None) == wanted, scores


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
