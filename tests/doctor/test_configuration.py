"""What the configuration alone shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.config import CallbackSettings, Settings
from bot.doctor import Level
from bot.doctor.configuration import examine_settings
from bot.doctor.findings import Finding

TOKEN, KEY, SECRET = "t" * 24, "k" * 43, "s" * 43


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "company": {"corpid": "ww0123456789abcdef", "name": "云杉生活"},
        "app": {"agentid": 1000002, "secret": SECRET},
        "callbacks": ({"token": TOKEN, "encoding_aes_key": KEY},),
    }
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            values[section] = {**values.get(section, {}), key: value}
        else:
            values[section] = value
    return Settings(**values)


def levels(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.level.value) for finding in found]


def test_a_sound_configuration_is_said_to_be_complete() -> None:
    assert levels(examine_settings(settings())) == [("configuration", "OK")]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"company__corpid": ""}, ("corpid_missing", "FAIL")),
        ({"company__corpid": "ww0123"}, ("corpid_shape", "WARN")),
        ({"company__corpid": "ww0123456789abcdef "}, ("corpid_shape", "WARN")),
        ({"app__secret": ""}, ("secret_missing", "FAIL")),
        ({"app__secret": "s" * 42}, ("secret_shape", "FAIL")),
        ({"app__secret": " " + "s" * 42}, ("secret_shape", "FAIL")),
        ({"app__agentid": 0}, ("agentid_missing", "FAIL")),
        ({"callbacks": ()}, ("callbacks_missing", "FAIL")),
        ({"callbacks": ({"token": "", "encoding_aes_key": KEY},)}, ("token_shape", "FAIL")),
        ({"callbacks": ({"token": "t" * 33, "encoding_aes_key": KEY},)}, ("token_shape", "FAIL")),
        ({"callbacks": ({"token": "t-t", "encoding_aes_key": KEY},)}, ("token_shape", "FAIL")),
        ({"callbacks": ({"token": TOKEN, "encoding_aes_key": "k" * 42},)}, ("aes_key_shape", "FAIL")),
        ({"callbacks": ({"token": TOKEN, "encoding_aes_key": "k" * 44},)}, ("aes_key_shape", "FAIL")),
        ({"mode": "observe"}, ("observe", "WARN")),
        ({"server__public_url": "http://bot.example.com"}, ("public_url", "WARN")),
        ({"approval": {"above": 1, "approvers": ["zhangsan"]}}, ("approvers", "WARN")),
        ({"wecom__api_base_url": "http://127.0.0.1:8081/cgi-bin/"}, ("api_base_url", "WARN")),
        ({"server__verify_files": "/nowhere"}, ("verify_files", "FAIL")),
    ],
)
def test_each_fault_is_named(changes: dict[str, Any], wanted: tuple[str, str]) -> None:
    assert levels(examine_settings(settings(**changes))) == [wanted]


def test_an_empty_folder_of_verification_files_is_noticed(tmp_path: Path) -> None:
    assert levels(examine_settings(settings(server__verify_files=tmp_path))) == [("verify_files", "WARN")]
    (tmp_path / "WW_verify_a.txt").write_text("a")
    assert levels(examine_settings(settings(server__verify_files=tmp_path))) == [("configuration", "OK")]


def test_no_sentence_tells_a_secret() -> None:
    wrong = settings(
        app__secret="hidden-secret",
        callbacks=(CallbackSettings(token=SecretStr("hidden token"), encoding_aes_key=SecretStr("hidden key")),),
    )
    for finding in examine_settings(wrong):
        assert finding.level == Level.FAIL
        assert "hidden" not in finding.zh + finding.en
