"""Test customers (测试客户), and the tests that campaigns wait for."""

from __future__ import annotations

from data.models.campaigns import PauseRule, RunStatus
from data.rules.problems import RuleModel
from data.rules.tags import Id

#: A test is no campaign: it needs no approval, and no cap counts it.
TESTERS_MAX = 50
#: So long staff have for a test, if its wave does not give them less.
TEST_HOURS = 24
#: Why a run waits whose campaign is to be tested first.
WAITS_FOR_TEST = "It waits for its test: POST /campaigns/{id}/test, and /go when it is right."


class TesterDraft(RuleModel):
    """A test customer, through the staff member who follows them."""

    userid: Id
    external_userid: Id


def is_held(status: str, pause_rule: str) -> bool:
    """Whether a run waits for the test of its campaign."""
    return status == RunStatus.PAUSED and pause_rule == PauseRule.TEST


def waits_for_test(*, test_first: bool, go_version: int | None, words_version: int | None) -> bool:
    """Whether a run may not be sent: what it says was not tested and found right.

    Its words are those of its campaign since `words_version`, or since that was started. What was found right later
    was tested with all that was still to come then.
    """
    return test_first and (go_version is None or go_version < (words_version or 0))
