import os
import re
from pathlib import Path

import ftfy.bad_codecs
import pytest

from qaz_llm.language.legacy_fonts import undo_old_kazakh
from qaz_llm.language.mojibake import undo_mojibake
from qaz_llm.language.repair import repair

ftfy.bad_codecs.ok()
SENTENCE = (
    "Қазақ тілі – біздің мәдениетіміздің іргетасы. Һәм ғасырлар бойы өзгерді, «ұлы» үй. Ипотека, Россия және Әлем."
)
ENCODINGS = [
    "latin-1",
    "sloppy-windows-1252",
    "sloppy-windows-1251",
    "koi8-r",
    "cp866",
    "iso8859_5",
    "mac_cyrillic",
    "mac_roman",
]


def broken(text: str, encoding: str) -> str:
    return text.encode("utf-8").decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_utf8_read_in_another_encoding(encoding: str) -> None:
    assert undo_mojibake(broken(SENTENCE, encoding)) == (SENTENCE, 1)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_twice_broken(encoding: str) -> None:
    assert repair(broken(broken(SENTENCE, encoding), encoding)).text == SENTENCE


def test_broken_in_one_encoding_after_another() -> None:
    assert repair(broken(broken(SENTENCE, "sloppy-windows-1251"), "sloppy-windows-1252")).text == SENTENCE


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_partly_broken_line_keeps_its_good_part(encoding: str) -> None:
    assert repair(f"Жақсы жол. {broken(SENTENCE, encoding)} Тағы.").text == f"Жақсы жол. {SENTENCE} Тағы."


def test_only_broken_lines_change() -> None:
    lines = ["Бұл жол дұрыс.", broken(SENTENCE, "latin-1"), "СССР» ТІЛІ", broken(SENTENCE, "koi8-r")]
    assert undo_mojibake("\n".join(lines)) == ("\n".join([lines[0], SENTENCE, lines[2], SENTENCE]), 2)


@pytest.mark.parametrize(("lost", "instead"), [("\x98", ""), ("\u00a0", " ")])
def test_second_halves_that_got_lost_are_put_back(lost: str, instead: str) -> None:
    """И and Ә end in byte 98, which cp1251 lacks; Р ends in a no-break space, which web tools make a plain one."""
    in_cp1251 = broken(SENTENCE, "sloppy-windows-1251")
    assert lost in in_cp1251
    assert repair(in_cp1251.replace(lost, instead)).text == SENTENCE


@pytest.mark.parametrize(
    ("broken_text", "meant"),
    [
        ("Â«MaÐ·Ð´Ð°Â»", "«Мазда»"),
        ("Р–РґСѓ", "Жду"),
        ("cafÃ© crÃ¨me, 20Â°C", "café crème, 20°C"),
        ("бұл жай мәтін: «Ð·Ð°Ð²Ð¾Ð´» туралы", "бұл жай мәтін: «завод» туралы"),
        ("Он сказал: â€œÐ¿Ñ€Ð¸Ð²ÐµÑ‚â€\x9d и ушёл", "Он сказал: “привет” и ушёл"),
        ("Он сказал: â€œÐ¿Ñ€Ð¸Ð²ÐµÑ‚â€ и ушёл", "Он сказал: “привет” и ушёл"),
        ("â€œHelloâ€ he said â€” itâ€™s fine", "“Hello” he said — it’s fine"),
        ("Ù‚Ø§Ø²Ø§Ù‚ ØªÙ‰Ù„Ù‰", "قازاق تىلى"),
        ("«СССР» мен «ТР», 20 °С–25: Р‘ТЇРіС–РЅ Р°СѓС‹Р»РґР°", "«СССР» мен «ТР», 20 °С–25: Бүгін ауылда"),
    ],
)
def test_what_is_interrupted_is_finished(broken_text: str, meant: str) -> None:
    assert repair(broken_text).text == meant


def test_letters_that_cp1252_lacks_are_found_by_what_stands_around() -> None:
    """с, я, А, Н and Р lose their second byte: 81, 8f, 90, 9d and the no-break space."""
    text = "Қазақ тілі – біздің мәдениетіміздің іргетасы. Ал Әсел Нұра ғасырлар бойы өзгерді, Россия және Рим."
    broken_text = re.sub("[\x80-\x9f\xad]", "", broken(text, "sloppy-windows-1252")).replace("\xa0", " ")
    assert "Ñ" in broken_text.replace("Ñ‚", "")
    assert repair(broken_text).text == text


@pytest.mark.parametrize("read_as", ["latin-1", "cp1252"])
@pytest.mark.parametrize("written_in", ["cp1251", "koi8-r"])
def test_one_byte_encodings(written_in: str, read_as: str) -> None:
    text = "Привет, как дела сегодня? Это обычный текст на русском языке."
    assert repair(text.encode(written_in).decode(read_as)).text == text


def test_kz1048() -> None:
    text = "Қазақстан Республикасының заңы: өз тілі, үшінші ұлт, ғылым және Һәм әр құқық"
    assert undo_old_kazakh(text.encode("kz1048").decode("cp1251")) == (text, 1)
    assert repair(text.encode("kz1048").decode("latin-1")).text == text


@pytest.mark.parametrize(
    "text",
    [
        "«СССР» және «КСР» пен «РТ». СІЗДІҢ ТІЛІҢІЗ УІ РІ СІ ТІ",
        "Македонски: ќе одам во Скопје, ѕвезда, куќа, ноќ и денови.",
        "Українська: її ґанок є новим, а їжак живе в лісі.",
        "У Мінску жыве шмат людзей, і ўсе яны любяць сваю мову.",
        "Српски: ћирилица, ђак, љубав, њива, џеп, ја сам.",
        "ÄÖÜ äöü ßÄ. Þórður Ísleifsson á Íslandi. ÑANDÚ, señor!",
        "Việt Nam đất nước tôi. Ça va ? Où êtes-vous né ?",
        "Būl kıtap öte qyzyq. Türkçe öğrenci, üğüş. Azərbaycan şəhəri.",
        "╔══╗ ║ кесте ║ ╚══╝ С… Т… У… 5°С, 7²",
        "20 С°, 25 С°, 30 С°, 35 С°, 40 С°, 45 С°; 20 °С–25 °С, 20 °С…30 °С, +5 °С–+7 °С",
        "КНР–Россия, ГДР–ФРГ, СССР–США, ОАР–РФ, УР–ТР; «СССР», «ТР», „РФ“",
        "С–С–С–С байланысы, көміртек тізбегі С–С, Р–Р–Р–Р, Т–Т–У–У",
        "С²Н⁵, СО², С±3, Р±0,5 Т±2 У±1 Р°С, Р = 5 Т°, Ð² + Ð³ = Ñ",
        "Straße, größer, Übermaß; İstanbul, ağaç, şıngır; NÃO É ASSIM, SÃO JOSÉ; ĐÃ «XONG»",
        "Ð and Ñ are letters; Ã too. â€ ? Р. С. Т.",
    ],
)
def test_sound_text_is_left_alone(text: str) -> None:
    assert repair(text).text == text


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
def test_real_passages_survive_every_misreading() -> None:
    import gzip
    import json

    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "kazqad" / "kazqad_rc_validation.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [repair(json.loads(line)["context"]).text for line in lines][::10]
    for encoding in ENCODINGS:
        same = sum(repair(broken(text, encoding)).text == text for text in texts)
        assert same >= 0.9 * len(texts), encoding
    for text in texts:
        assert undo_mojibake(text) == (text, 0)


@pytest.mark.parametrize("encoding", ["latin-1", "sloppy-windows-1252", "sloppy-windows-1251", "koi8-r", "cp866"])
def test_a_misread_byte_order_mark_goes(encoding: str) -> None:
    repaired = repair("\ufeff".encode().decode(encoding) + SENTENCE)
    assert repaired.text == SENTENCE
    assert repaired.counts["mojibake"] == 1


def test_a_misread_byte_order_mark_inside_a_text_is_spoken_about() -> None:
    text = "Файл басында «п»ї» деген таңбалар тұрса, ол BOM."
    assert repair(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "Ол «Â» әрпін, «Ã» әрпін және «Ð» әрпін француз, португал, исланд тілдерінен көрсетті.",
        "Румын тілінде “Â” мен ‘Â’ әріптері бар.",
    ],
)
def test_letters_in_quotation_marks_stay(text: str) -> None:
    assert repair(text).text == text


def test_misread_quotation_marks_around_letters_do_not() -> None:
    assert repair("Â«Ð\x90Â» тобы және Â«ÐœÐ°Ð·Ð´Ð°Â» көлігі.").text == "«А» тобы және «Мазда» көлігі."


@pytest.mark.parametrize(
    "text",
    [
        "Ол “Österreich” және “Élan” – Élysée, —Égalité, “Åse”, “Über” деді.",
        "– Élise! — Évidemment. “Ça va?” “É” “Ü” “Å” 5–Å",
        "Ауданы √2 ≈ 1,41; ∞ – шексіздік, –∞ пен +∞ аралығы, “∑” белгісі, —µ, –π … π, √©, ∂x/∂y.",
    ],
)
def test_dashes_and_quotation_marks_before_letters_and_signs_stay(text: str) -> None:
    assert repair(text).text == text
