import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.quality.boilerplate import Stripped, is_boilerplate, strip_boilerplate, strip_boilerplates
from qaz_llm.data.quality.furniture import PHRASES
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.segment import words

FURNITURE = [
    "Басты бет | Жаңалықтар | Байланыс",
    "Басты бет|Жаңалықтар|Байланыс",
    "Қазақстан  Әлем  Спорт  Мәдениет",
    "Главная » Новости » Казахстан",
    "© 2024. Барлық құқықтар қорғалған.",
    "Telegram арнамызға жазылыңыз!",
    "Біздің Instagram парақшамызға тіркеліңіз!",
    "Оқи отырыңыз: Алматыда жаңа мектеп ашылды",
    "Сондай-ақ, оқыңыз: Ауа райы",
    "Тағы да оқыңыз",
    "Пікір қалдыру",
    "Пікір жазу",
    "Бөлісу:",
    "Достарыңызбен бөлісіңіз",
    "Facebook Twitter ВКонтакте WhatsApp",
    "Telegram | WhatsApp",
    "Фото: Бауыржан Жуасбаев",
    "Сурет: ашық дереккөзден",
    "Фото ашық дереккөзден алынды",
    "Қаралды: 1 245",
    "1245 қаралым",
    "Сайт cookie файлдарын пайдаланады.",
    "Материалды көшіріп басқанда сайтқа белсенді сілтеме жасау міндетті.",
    "Қате тапсаңыз, белгілеп, Ctrl+Enter басыңыз",
    "Редакция мекенжайы: Алматы қ., Абай даңғылы, 1, тел.: 8 (727) 250-00-00",
    "Байланыс телефоны: 8 (7112) 50-40-02, e-mail: oral@mail.ru",
    "Құпиялылық саясаты",
    "Келесі мақала →",
    "Толығырақ...",
    "Тегтер: спорт, футбол",
    "Читайте также",
    "Читайте также: В Алматы открыли школу",
    "Поделиться в Facebook",
    "Оставить комментарий",
    "Просмотров: 312",
    "Подпишитесь на наш канал в Telegram",
    "При использовании материалов сайта активная ссылка обязательна.",
    "Нашли ошибку? Выделите её и нажмите Ctrl+Enter",
    "Все права защищены.",
    "Политика конфиденциальности",
    "Опубликовано: 12.03.2015, 14:20",
    "Адрес редакции: г. Алматы, пр. Абая, 1. Тел.: 250-00-00",
    "We use cookies to improve your experience.",
    "Copyright 2005 Example News",
    "All rights reserved",
    "Skip to main content",
    "Share this on Facebook",
]

PROSE = [
    "Ол арнаға жазылып, екі жыл бойы барлық хабарын көріп жүрді.",
    "Басты бетте жаңа мақала шықты.",
    "Келесі күні ол ауылға келді",
    "Іздеу жұмыстары тоқтамайды .",
    "Байланыс кілт үзілді.",
    "Пікірлер екіге жарылды.",
    "Фото көрмесі Алматыда ашылды.",
    "Сурет салу – оның сүйікті ісі.",
    "Сондай-ақ ол көп оқыды.",
    "Редакция қызметкерлері жиналысқа келді.",
    "Комментарии к закону опубликованы на сайте министерства вчера вечером.",
    "Телефон зазвонил, и он снял трубку телефона.",
    "Подошел ко мне,   улыбнулся,   поцелуем руки коснулся...",
    "молебен   и   затеплила  свечку  в  девичьей  перед  иконой  всех  скорбящих",
    "« Көкшетау » , « Айырылған аққулар » , « Альбатрос »",
    "| Ұзындық | Таңбалы | Таңбасыз |",
    "Java is not the same as JavaScript.",
    "Copyright infringement must be avoided.",
    "Home and its sorrows",
    "Read more books and you will know more.",
    "",
]


@pytest.mark.parametrize("line", FURNITURE)
def test_furniture(line: str) -> None:
    assert is_boilerplate(line)


@pytest.mark.parametrize("line", PROSE)
def test_prose_stays(line: str) -> None:
    assert not is_boilerplate(line)


def strip_slowly(text: str) -> Stripped:
    """The oracle: every line is read, every word counted."""
    lines = text.split("\n")
    kept = [line for line in lines if not is_boilerplate(line)]
    if len(kept) == len(lines):
        return Stripped(text, 0, 0.0)
    total, gone = len(words(text)), sum(len(words(line)) for line in lines if is_boilerplate(line))
    return Stripped("\n".join(kept).strip(), len(lines) - len(kept), gone / total if total else 0.0)


PIECES = st.one_of(
    st.sampled_from(sorted({word for phrase in PHRASES for word in phrase.words})),
    st.sampled_from(FURNITURE + PROSE),
    st.sampled_from([" ", "  ", "\t", "\n", "|", " | ", " » ", "© ", "(c) ", ": ", "-", ". ", "—", "\u00a0", "12", "А", "İ"]),
    st.text("аАбоқі .|,\n", max_size=12),
)  # fmt: skip


@given(st.lists(st.lists(PIECES, max_size=15).map("".join), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_the_kernel_passes_over_no_boilerplate(texts: list[str]) -> None:
    assert strip_boilerplates(scan_texts(texts)) == [strip_slowly(text) for text in texts]


def test_lines_and_words_are_counted() -> None:
    text = "Қар ериді, күн жылынды.\nПікір қалдыру\n\n© 2024\n"
    assert strip_boilerplate(text) == Stripped("Қар ериді, күн жылынды.", 2, 3 / 7)
    assert strip_boilerplates(scan_texts([])) == []
    assert strip_boilerplate("Бөлісу") == Stripped("", 1, 1.0)


def test_long_lines_are_prose() -> None:
    line = "Сайт cookie файлдарын пайдаланады " + "деген сөйлем " * 20
    assert not is_boilerplate(line)
    assert is_boilerplate("Сайт cookie файлдарын пайдаланады " + "деген сөйлем " * 15)


@pytest.mark.parametrize("name", ["documents_kk_a", "documents_kk_b", "documents_ru", "documents_en"])
def test_embedded_prose_is_kept_whole(name: str) -> None:
    texts = [row["text"] for row in read_jsonl(embedded_path(f"{name}.jsonl"))]
    assert [item.lines for item in strip_boilerplates(scan_texts(texts))] == [0] * len(texts)


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
@pytest.mark.parametrize(
    "name", ["apertium_kaz_rus/gov_corpus_kk.jsonl.gz", "apertium_kaz_rus/gov_corpus_ru.jsonl.gz", "ud_en_ewt/ud_en_ewt.jsonl.gz"]
)  # fmt: skip
def test_the_kernel_on_real_text(name: str) -> None:
    lines = [row["text"] for row in read_jsonl(Path(os.environ["QAZ_CORPUS_DIR"]) / name)]
    texts = ["\n".join(lines[start : start + 8]) for start in range(0, len(lines), 8)]
    assert strip_boilerplates(scan_texts(texts)) == [strip_slowly(text) for text in texts]
