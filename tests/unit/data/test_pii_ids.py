"""Ids and links of documents hold personal data too."""

from collections.abc import Sequence
from typing import Any

import pytest

from qaz_llm.data.clean import Cleaned, make_cleaner
from qaz_llm.data.config import DataConfig
from qaz_llm.data.protect.decontaminate import make_decontaminator
from qaz_llm.data.protect.pii import redact_addresses, redact_ids
from qaz_llm.records import Document

TEXT = "Бүгін ауылда күн жылы болды. Балалар өзен жағасында ойнап, кешке қарай үйлеріне қайтты. Апасы оларға шай құйып берді."


@pytest.mark.parametrize(
    ("address", "redacted"),
    [
        ("https://wa.me/77015550123", "https://wa.me/<PHONE>"),
        ("https://example.kz/?iin=850101300124&x=1", "https://example.kz/?iin=<IIN>&x=1"),
        ("mailto:aigul@example.kz", "mailto:<EMAIL>"),
        ("http://95.56.234.17/index.html", "http://<IP>/index.html"),
        ("https://example.kz/news/2024-01-15-128733", "https://example.kz/news/2024-01-15-128733"),
        ("telegram/550199", "telegram/550199"),
        ("passport/045678912", "passport/045678912"),
        ("call-center/00000012", "call-center/00000012"),
        ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
    ],
)
def test_only_what_says_itself_what_it_is(address: str, redacted: str) -> None:
    assert redact_addresses([address])[0].text == redacted


def test_ids_stay_apart_and_stay_the_same() -> None:
    ids = ["a/87015550123", "a/87015550124", "a/87015550123", "a/1"]
    texts = ["бір", "бір", "екі", "бір"]
    first = [item.text for item in redact_ids(ids, texts)]
    assert first == [item.text for item in redact_ids(ids, texts)]
    assert len(set(first)) == 4
    assert first[3] == "a/1"
    assert all(name.startswith("a/<PHONE>~") for name in first[:3])


def _clean(documents: Sequence[Document], **pii: Any) -> list[Cleaned]:
    config = DataConfig.model_validate(
        {"sources": [{"name": "a", "path": "a.jsonl"}], "pii": pii, "filters": {"preset": "none"}}
    )
    return make_cleaner(config, make_decontaminator([], config.decontaminate))(documents)


def _document(name: str, text: str = TEXT, url: str | None = None) -> Document:
    return Document(name, text, "a", "kk", "Zyyy", "CC0-1.0", url, {})


def test_ids_and_links_of_kept_documents_are_counted() -> None:
    (kept,) = _clean([_document("a/87015550123", TEXT + " Тел. 55-01-99.", "https://wa.me/77015550124")])
    assert kept.reason is None
    assert kept.document.id.startswith("a/<PHONE>~")
    assert kept.document.url == "https://wa.me/<PHONE>"
    assert kept.pii == {"phone": 3}


def test_ids_of_dropped_documents_whatever_the_config_says() -> None:
    kept, dropped = _clean([_document("a/87015550123"), _document("a/87015550124", "")], enabled=False)
    assert kept.document.id == "a/87015550123"
    assert dropped.reason == "missing_text"
    assert "8701" not in dropped.document.id


def test_plain_ids_are_untouched() -> None:
    (kept,) = _clean([_document("a/x.jsonl/00000012", url="https://example.kz/12")])
    assert (kept.document.id, kept.document.url, kept.pii) == ("a/x.jsonl/00000012", "https://example.kz/12", {})
