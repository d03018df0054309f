import struct
import sys
from pathlib import Path

import pytest

from qaz_llm.errors import ConfigError
from qaz_llm.language.detectors import detect_cld2, detect_langid, label_code, open_model


def write_model(path: Path) -> None:
    """A model of two words and two labels in fastText's binary format, version 12, its numbers chosen by hand: the word
    `aa` speaks for Kazakh, `bb` for Turkish."""
    out = struct.pack("<ii", 793712314, 12)
    out += struct.pack(
        "<12id", 2, 5, 1, 1, 5, 1, 3, 3, 0, 0, 0, 100, 1e-4
    )  # dim … loss softmax, model supervised, no n-grams
    entries = [("aa", 5, 0), ("bb", 5, 0), ("__label__kaz_Cyrl", 5, 1), ("__label__tur_Latn", 5, 1)]
    out += struct.pack("<iiiqq", len(entries), 2, 2, 10, -1)
    for word, count, kind in entries:
        out += word.encode() + b"\0" + struct.pack("<qb", count, kind)
    for rows in ([(4.0, 0.0), (0.0, 4.0)], [(4.0, 0.0), (0.0, 4.0)]):
        out += struct.pack("<?qq", False, 2, 2) + b"".join(struct.pack("<2f", *row) for row in rows)
    path.write_bytes(out)


def test_a_model_file_is_read_and_its_labels_become_our_codes(tmp_path: Path) -> None:
    pytest.importorskip("fasttext")
    write_model(tmp_path / "tiny.bin")
    model = open_model(tmp_path / "tiny.bin")
    assert model is not None
    assert model("aa aa\naa") == "kk"
    assert model("bb bb") == "tr"
    assert model("unknown words only") == "und"


def test_what_is_not_a_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("fasttext")
    (tmp_path / "not.bin").write_bytes(b"this is no model")
    model = open_model(tmp_path / "not.bin")
    assert model is not None
    with pytest.raises(ConfigError, match="not a model"):
        model("aa")


def test_without_the_package_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fasttext", None)
    write_model(tmp_path / "tiny.bin")
    with pytest.raises(ConfigError, match="not installed") as caught:
        open_model(tmp_path / "tiny.bin")
    assert "pip install" in str(caught.value)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    assert open_model(None) is None
    with pytest.raises(ConfigError, match="not a file"):
        open_model(tmp_path / "absent.bin")


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("__label__kk", "kk"), ("__label__kaz_Cyrl", "kk"), ("__label__rus_Cyrl", "ru"), ("__label__eng_Latn", "en"),
        ("__label__kir_Cyrl", "ky"), ("__label__uzn_Cyrl", "uz"), ("__label__kaa_Cyrl", "kaa"), ("__label__zxx_Zzzz", "und"),
    ],
)  # fmt: skip
def test_labels(label: str, code: str) -> None:
    assert label_code(label) == code


def test_detectors_that_are_always_there() -> None:
    text = "ауыл тұрғындары жаңа көпірдің ашылуына жиналды, мұндай құрылыс бұрын болмаған"
    assert detect_cld2(text) == detect_langid(text) == "kk"
    assert detect_cld2("\x01\ud800") == "und"
