"""`siyu knowledge` from a terminal."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Siyu


def test_pairs_are_imported_asked_and_exported(siyu: Siyu, config: Path, tmp_path: Path) -> None:
    siyu("migrate", config=config)
    assert siyu("knowledge", "list", config=config).out == "There is none: siyu knowledge import pairs.csv\n"
    file = tmp_path / "pairs.csv"
    file.write_text("问题,答案\n怎么退款,七天内可退\n几点开门,十点\n", "gbk")
    assert siyu("knowledge", "import", file, config=config).out == ("2 rows: 2 new pairs, 0 changed, 0 as they were.\n")
    assert siyu("knowledge", "import", tmp_path / "nothing.csv", config=config).code == 2
    (found,) = siyu("knowledge", "ask", "请问怎么退款", "--json", config=config).json
    assert (found["text"], found["enough"]) == ("七天内可退", True)
    assert "七天内可退" in siyu("knowledge", "ask", "怎么退款", config=config).out
    assert "怎么退款" in siyu("knowledge", "list", "--words", "退", config=config).out
    for name in ("out.csv", "out.xlsx"):
        assert siyu("knowledge", "export", tmp_path / name, config=config).code == 0
        again = siyu("knowledge", "import", tmp_path / name, config=config)
        assert again.out == "2 rows: 0 new pairs, 0 changed, 2 as they were.\n", again.err
    words = ("knowledge", "synonyms")
    assert siyu(*words, "add", "七天", "开业", "营业", config=config).out == "Group 1 is in use.\n"
    assert siyu(*words, "change", "1", "打烊", "开业", config=config).out == "Group 1 is changed.\n"
    assert "打烊、开业" in siyu(*words, "list", "--own", config=config).out
    assert len(siyu(*words, "list", "--json", config=config).json) > 40
    refused = siyu(*words, "add", "打烊", config=config)
    assert (refused.code, "打烊" in refused.err) == (2, True)
    assert siyu(*words, "remove", "1", config=config).out == "Group 1 is removed.\n"
    assert siyu("knowledge", "remove", "1", "--yes", config=config).out == "Pair 1 is removed.\n"
    assert siyu("knowledge", "remove", "1", "--yes", config=config).code != 0
    assert siyu("knowledge", "unanswered", config=config).out == "Nothing was asked without an answer.\n"
