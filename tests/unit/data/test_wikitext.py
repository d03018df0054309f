"""Wikitext as text; every right value is what a browser shows of the article, written by hand."""

import pytest

from qaz_llm.data.readers.wikitext import is_redirect, wikitext_to_text


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("__NOTOC__\n'''Сарыкөл''' – көл.", "Сарыкөл – көл."),
        ("__БЕЗ_ОГЛАВЛЕНИЯ__\nМәтін __МАЗМҰНЖОҚ__", "Мәтін"),
        ("Питонда __init__ деген бар.", "Питонда __init__ деген бар."),
        ("Ол -{kk-latn:Qostanayda; kk-cyrl:Қостанайда; kk-arab:قوستانايدا}- тұрады.", "Ол Қостанайда тұрады."),
        ("Ол -{Тобыл}- өзенінен алыс емес.", "Ол Тобыл өзенінен алыс емес."),
        ("-{H|kk-cyrl:Ән;kk-latn:Än}-Ән – -{A|kk-cyrl:музыка;kk-latn:mwzıka}-.", "Ән – музыка."),
        ("-{T|kk-cyrl:Тақырып;kk-latn:Taqırıp}-Мәтін.", "Мәтін."),
        ("Ол -{kk-cyrl:Қост-{ан}-айда; kk-latn:Qostanayda}- тұрады.", "Ол Қостанайда тұрады."),
        ("Уақыт -{12:30; 13:45}- болды.", "Уақыт 12:30; 13:45 болды."),
        ("<nowiki>-{белгі}-</nowiki> көрсетілді.", "-{белгі}- көрсетілді."),
        ("Бас.\n{| class=x\n! Жыл\n|-\n|\n{|\n| ішкі || 3\n|}\n| қалған || 4\n|}\nСоң.", "Бас.\n\nСоң."),
        ("Бас.\n:{|\n| шегінген\n|}\nСоң.", "Бас.\n\nСоң."),
        ("{|\n| жабылмаған\n\nКелесі абзац.", "Келесі абзац."),
        ('А<syntaxhighlight lang="python">depth = 4</syntaxhighlight> Б', "А Б"),
        ("<timeline>\nImageSize = width:300\n</timeline>Мәтін.", "Мәтін."),
        ("<source lang=c>int x;</source>Мәтін <code>x</code>.", "Мәтін x."),
        ("Халқы 10<sup>6</sup> адам, H<sub>2</sub>O, 5 м<sup>2</sup>.", "Халқы 10⁶ адам, H₂O, 5 м²."),
        ("бірінші жол<br>екінші жол<br />үшінші", "бірінші жол\nекінші жол\nүшінші"),
        (
            "{{lang-kk|Қазақ елі}}, {{lang|ru|страна}}, {{nobr|10 км}}, {{convert|3|m}} терең.",
            "Қазақ елі, страна, 10 км, 3 m терең.",
        ),
        ("{{Мемлекет|атауы={{lang|kk|Ел}}}}Кіріспе.", "Кіріспе."),
        (
            "[[Сурет:А.jpg|thumb|Қала [[Алматы|алматылық]] көрінісі]]Мәтін [[Көл]]дің [[Жер|жері]].",
            "Мәтін Көлдің жері.",
        ),
        ("Мәтін.[[Санат:Көлдер]][[en:Lake]]", "Мәтін."),
        ("Мәтін.<ref>Дерек</ref><ref name=a /> Соңы.", "Мәтін. Соңы."),
        ("== Бос ==\n\n== Тарихы ==\nМәтін.\n=== Ішкі ===\n== Дереккөздер ==\n{{дереккөздер}}", "Тарихы\nМәтін."),
        ("== Үлкен ==\n=== Кіші ===\nМәтін.", "Үлкен\nКіші\nМәтін."),
        ("<poem>\nБірінші тармақ\nЕкінші тармақ\n</poem>", "Бірінші тармақ\nЕкінші тармақ"),
        ("5 &lt; 6 &amp; 7 &nbsp;болды<!-- жасырын -->.", "5 < 6 & 7 \xa0болды."),
        ("* бірінші\n** екінші\n# үшінші", "бірінші\nекінші\nүшінші"),
        (
            "Белгісі <nowiki>[[үлгі]]</nowiki> және <NOWIKI>{{а}} ''б'' {| &lt;i&gt;</NOWIKI>.",
            "Белгісі [[үлгі]] және {{а}} ''б'' {| <i>.",
        ),
        ("<pre>\n{{жол}}\n</pre>Кейін.", "{{жол}}\nКейін."),
        ("А<!-- <nowiki> -->Б<!-- </nowiki> -->В [[Жер]].", "АБВ Жер."),
        ("Ол<ref><nowiki></ref></nowiki> дерек</ref> келді.", "Ол келді."),
        ("Сөз. <!-- жабылмаған\nжасырын\n\nКелесі [[абзац]].", "Сөз.\n\nКелесі абзац."),
        ("Сөз. [[Сурет:А.jpg|thumb|Жабылмаған [[көл]]\n\nКелесі [[абзац]] бар.", "Сөз.\n\nКелесі абзац бар."),
        ("[[Сурет:А.jpg|thumb|Екі\n\nабзац]]Мәтін. [[ашық", "Мәтін. ашық"),
        ("[[Медиа:Ән.ogg|тыңдау]] және [[Санат:Ән]].", "тыңдау және ."),
        ("'''Ашық қалған жол\nЕкінші ''жол'' бар.", "Ашық қалған жол\nЕкінші жол бар."),
        ("'''Ән''' ''күй'' '''''екеуі''''' Д'Артаньян", "Ән күй екеуі Д'Артаньян"),
        ("l'''amour'', ''''дәйек''''", "l'amour, 'дәйек'"),
    ],
)
def test_text(wikitext: str, text: str) -> None:
    assert wikitext_to_text(wikitext).text == text


def test_what_is_gone_is_counted() -> None:
    article = wikitext_to_text(
        "__NOTOC__ {{a}} {{b}} [[Сурет:x.jpg]] [[Санат:y]] <ref>z</ref> <math>x</math> <source>c</source>\n{|\n|t\n|}\n== Бос =="
    )
    assert article.text == ""
    assert article.removed == {
        "wiki_category": 1,
        "wiki_code": 1,
        "wiki_empty_heading": 1,
        "wiki_formula": 1,
        "wiki_magic_word": 1,
        "wiki_picture": 1,
        "wiki_reference": 1,
        "wiki_table": 1,
        "wiki_template": 2,
    }


@pytest.mark.parametrize(
    ("wikitext", "says"),
    [
        ("#REDIRECT [[Көл]]", True),
        ("#АЙДАУ [[Көл]]", True),
        ("#перенаправление [[А]]", True),
        ("# бірінші [[А]]", False),
    ],
)
def test_redirects(wikitext: str, says: bool) -> None:
    assert is_redirect(wikitext) is says
