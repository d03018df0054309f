"""Tags and entities: what is left of a page goes, what a text is about stays."""

import html
import random
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language.markup import decode_entities, may_have_markup, remove_markup
from qaz_llm.language.repair import repair
from qaz_llm.language.tags import find_tags, markup_of


@pytest.mark.parametrize(
    "text",
    [
        "Онда <b> тегі қаріпті қалың етеді, <i> тегі көлбеу етеді, ал <br> тегі жаңа жолға көшіреді.",
        "Веб бет үшін <p> тегін ашып, мәтін жазып, оны </p> тегімен жабу керек.",
        "Абзац <p> белгісімен басталып, </p> белгісімен аяқталады.",
        "Қалың қаріп үшін <b> және </b> арасына мәтін жазыңыз.",
        "<ul> – реттелмеген тізім, <ol> – реттелген тізім.",
        "<h1> – бірінші деңгейлі тақырып\n<h2> – екінші деңгейлі\n<p> – абзац",
        "Тег <br> переносит строку, а <hr> рисует линию.",
        "Теги <b>, <i> и <u> меняют начертание.",
        "The <b> tag makes text bold, the <i> tag italic.",
        "«<br>» деп жазыңыз, не (<hr>).",
        'Сілтеме <a href="x"> тегі арқылы жасалады.',
        "HTML құжаты:\n<html>\n<head><title>Бет</title></head>\n<body>\n<p>Сәлем</p>\n</body>\n</html>",
        "XML-де <title>Кітап</title> деп жазылады",
        "Қаріпті `<b>` тегі қалыңдатады: `<b>сөз</b>`",
        'Форма үшін <form action="s.php" method="post"> жазып, ішіне <input type="text" name="aty"> қоямыз, соңында </form> жабамыз.',
        "Чтобы выделить слово, пишем <b> перед ним и ставим </b> после него.",
        "Блокнотқа мына жолдарды теріңіз:\n\n<html>\n<body>\n<p>Сәлем!</p>\n</body>\n</html>\n\nСодан кейін сақтаңыз.",
        "Размечают так: <chapter><title>Глава</title><para>Текст</para></chapter>.",
        'Мекенжай <a href="..."> ішінде көрсетіледі, ал <img src="…"> ішінде суреттің жолы тұрады.',
        'document.write("<b>Сәлем</b>") бұйрығы сөзді қалың етеді.',
        'Баптау:\n\n<?xml version="1.0"?>\n<config>\n    <server port="80">localhost</server>\n</config>',
        "Каталог: <кітап><title>Абай жолы</title></кітап>",
        "| Ай | Іс |\n|---|---|\n| Қаңтар | Бірінші<br>Екінші |\n| Ақпан | бір<br/>екі<br/>үш<br/>төрт |",
    ],
)
def test_a_lesson_keeps_its_tags(text: str) -> None:
    assert repair(text).text == text
    assert repair(text, keep_layout=True).text == text


@pytest.mark.parametrize(
    "text",
    [
        "Егер x <a болса және y саны теріс болса, онда b> c теңсіздігі орындалады.",
        "Если a<b и c>d, то a+c<b+d.",
        "a<b and c>d",
        "Егер a <b> c болса",
        "a<b>c, x<p>y, 1<i>0",
        "if (a<b && c>d) return; for i<p and p>0",
        "0<x<2, x <a, y >b",
        "5 < 6 және 7 > 8; price < 10 > shipping",
        "std::vector<a>, List<A>, Map<String, I>, Optional<P>, Vec<u>",
        "git clone <link>, cd <path>, <title> деген жер",
        "тел. <PHONE>, <EMAIL>, Vec<String>, a < b > c",
        "Маған <3 ұнайды, ал <aty@post.kz> не <https://a.kz> жаз",
        "p <0,05 мәні, ал r> 0,8; H4<bE77]7oQL",
    ],
)
def test_signs_of_mathematics_and_names_are_no_tags(text: str) -> None:
    assert repair(text).text == text
    assert not repair(text).counts


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("қаз<b>ақ</b> тілі", "қазақ тілі"),
        ("Бірінші жол<br>екінші жол<br/>үшінші<BR />төртінші", "Бірінші жол\nекінші жол\nүшінші\nтөртінші"),
        ("Мекенжайы: Абай 5<br>Тел: 12", "Мекенжайы: Абай 5\nТел: 12"),
        ("Газеты пишут <b>правду</b>, <b>Асан </b> жазып отырды.", "Газеты пишут правду, Асан жазып отырды."),
        ("<title>Жаңалық</title>\nТізім:\n<ul>\n<li>бір</li>\n</ul>", "Жаңалық\nТізім:\n\nбір"),
        ('Партия ("<b>Ауыл</b>") мен <a href="/a">бет</a>', 'Партия ("Ауыл") мен бет'),
        ("Бағасы | 5 теңге<br>Саны | 2", "Бағасы | 5 теңге\nСаны | 2"),
        ("<p>Бірінші абзац.</p><p>Екінші <b>қалың</b> абзац.</p>", "Бірінші абзац.\nЕкінші қалың абзац."),
        ('<p class="x">Бірінші.\n<p>Екінші', "Бірінші.\nЕкінші"),
        ("<ul>\n  <li>бір</li>\n  <li>екі</li>\n</ul>", "бір\nекі"),
        ("<tr><td>Қала</td><td>Саны</td></tr><tr><td>Алматы</td><td>2</td></tr>", "Қала\tСаны\nАлматы\t2"),
        ('Мәтін <a href="http://x.kz" title="«Қазақ» "үні"">сілтеме</a> соңы.', "Мәтін сілтеме соңы."),
        ('<div><img src="a.jpg" alt="a > b">сөз</div>', "сөз"),
        ("бет<br /><br />соңы", "бет\n\nсоңы"),
        ("соңғы сөз</div></div>", "соңғы сөз"),
        ("сөйлем.</seg>\n<seg>Тегеран қаласында", "сөйлем.\nТегеран қаласында"),
        ("<a { $link }>Бас</a> бет", "Бас бет"),
        ("<b>Аты:</b> Асқар <b>Тегі:</b> Серік", "Аты: Асқар Тегі: Серік"),
        ("<i>Кім?</i> – деді ол. <b> Мен </b> ғой.", "Кім? – деді ол. Мен ғой."),
        ("бір <br> екі <br> үш <br> төрт", "бір\nекі\nүш\nтөрт"),
        ("<a href='1'>Басты</a><a href='2'>Байланыс</a>", "Басты Байланыс"),
        ('<span style="color:red">Қы</span><span>зыл</span><o:p></o:p>', "Қызыл"),
        ("10<sup>6</sup> м<sup>2</sup>, H<sub>2</sub>O, 2<sup>2n</sup>", "10⁶ м², H₂O, 2²ⁿ"),
        ("<!-- x -->мәтін<script>var a = '<b>';</script>соңы<style>p{a:b}</style>", "мәтін\nсоңы"),
        ("<!DOCTYPE html><p>мәтін</p>", "мәтін"),
        ('<?xml version="1.0"?>\n<html><body><p>Сәлем әлем.</p></body></html>', "Сәлем әлем."),
        ('<?xml:namespace prefix = o ns = "urn:x" /><o:p>Бұйрық шықты.</o:p>', "Бұйрық шықты."),
        ("<p>Егер a <b> c болса</p>", "Егер a <b> c болса"),
    ],
)
def test_what_is_left_of_a_page_is_shown_as_a_browser_shows_it(written: str, shown: str) -> None:
    assert repair(written).text == shown


def test_code_of_a_page_stays_code() -> None:
    page = '<p>Код:</p><pre><code class="language-python">def f(x):\n    return x &lt; 2\n</code></pre><p>Ал <code>a &amp; b</code> бар.</p>'
    assert repair(page).text == "Код:\n```python\ndef f(x):\n    return x < 2\n```\nАл `a & b` бар."


def test_kinds_of_changes_are_counted() -> None:
    counts = repair("<p>бір &amp; екі</p><!-- x --> үш").counts
    assert counts["tag"] == 2
    assert counts["hidden_markup"] == 1
    assert counts["entity"] == 1


class _Browser(HTMLParser):
    """Oracle: the text of a page by the standard library's parser."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.text += "\n" if tag in ("p", "br", "li", "ul", "div", "tr", "h2") else ""
        self.text += "\t" if tag == "td" else ""

    handle_endtag = lambda self, tag: self.handle_starttag(tag, [])  # noqa: E731

    def handle_data(self, data):
        self.text += data


@given(st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_pages_read_as_the_standard_library_reads_them(seed: int) -> None:
    rng = random.Random(seed)

    def words() -> str:
        return " ".join(
            rng.choices(
                ["қазақ", "тілінің", "жаңа", "сөздігі", "шықты", "2024", "«Айқап»", "журналы"], k=rng.randint(2, 6)
            )
        )

    def inline() -> str:
        name = rng.choice(["b", "i", "em", "strong", 'a href="/x"', 'span class="y"', "u"])
        return rng.choice(
            [words(), f"{words()} <{name}>{words()}</{name.split()[0]}> {words()}", f"{words()}<br>{words()}"]
        )

    def block() -> str:
        name = rng.choice(["p", "div", "h2"])
        if rng.random() < 0.3:
            return "<ul>" + "".join(f"<li>{inline()}</li>" for _ in range(rng.randint(1, 3))) + "</ul>"
        return f"<{name}>{inline()}</{name}>"

    page = "".join(block() + rng.choice(["", "\n"]) for _ in range(rng.randint(1, 4)))
    browser = _Browser()
    browser.feed(page)
    browser.close()
    shown = [" ".join(line.split()) for line in browser.text.split("\n") if line.strip()]
    assert [line for line in repair(page).text.split("\n") if line] == shown


# --------------------------------------------------------------------------------------------------------- entities


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("&amp;amp;quot;бір&amp;quot; &amp;#1179; &foo; &notit;", '"бір" қ &foo; &notit;'),
        ("Абай &amp; Co, 2 &lt; 3, &laquo;Қазақ&raquo; &hellip;", "Абай & Co, 2 < 3, «Қазақ» …"),
        ("&#x1F600; &#55357;&#56832; &#150;", "😀 😀 –"),
        ("HTML &quot;тілі&quot; &lt;p&gt; тегі", 'HTML "тілі" <p> тегі'),
        ("HTML &amp; CSS негіздері", "HTML & CSS негіздері"),
        ("&lt;p&gt; тегін ашып, &lt;/p&gt; тегімен жабу", "<p> тегін ашып, </p> тегімен жабу"),
        ("км&lt;sup&gt;2&lt;/sup&gt;, H&lt;sub&gt;2&lt;/sub&gt;O", "км², H₂O"),
        ("бір, &lt;br&gt;\nекі, &lt;br&gt;\nүш, &lt;br&gt;\nтөрт", "бір,\nекі,\nүш,\nтөрт"),
        ("мек&shy;теп &nbsp;&nbsp; бет", "мектеп бет"),
        ("a &lt;b болса, c&gt; d", "a <b болса, c> d"),
    ],
)
def test_entities(written: str, meant: str) -> None:
    assert repair(written).text == meant


@pytest.mark.parametrize(
    "text",
    [
        "HTML-де &nbsp; таңбасы үзілмейтін бос орын, ал &lt; – кіші белгісі.",
        "&lt;h1&gt;Сәлем&lt;/h1&gt; деп жаз",
        "Мысалы, `&lt;` және `&amp;nbsp;`",
        "HTML-де & белгісін &amp; деп жазады.",
        "Мәтінде < таңбасын &lt; деп, & таңбасын &amp; деп жазады.",
        "Көзге көрінбейтін &shy; белгісі мен &nbsp; символы бар.",
        'Мына жолды қосыңыз: text.replace("&amp;", "&").replace("&lt;", "<")',
        "?a=1&copy=2&reg=3",
        "AT&T; R&D",
    ],
)
def test_entities_that_are_meant_stay(text: str) -> None:
    assert repair(text).text == text


def test_an_escaped_script_that_is_spoken_of_is_shown() -> None:
    assert repair("&lt;script&gt;alert(1)&lt;/script&gt; деген код").text == "<script>alert(1)</script> деген код"
    assert repair("&lt;script&gt;alert(1)&lt;/script&gt; Сөз.").text == "&lt;script&gt;alert(1)&lt;/script&gt; Сөз."


ESCAPED = [
    "&lt;p&gt;",
    "&lt;/p&gt;",
    "&lt;b&gt;",
    "&lt;/b&gt;",
    "&lt;br/&gt;",
    "&amp;lt;i&amp;gt;",
    "&lt;a href='x'&gt;",
]


@given(st.lists(st.sampled_from([*ESCAPED, "сөз", " ", "\n", "&nbsp;", "&quot;", ".", " тегі ", "HTML"]), max_size=12))
@settings(max_examples=400, deadline=None)
def test_an_escaped_tag_is_never_taken_out(pieces: list[str]) -> None:
    """Oracle: escaped tags are counted, `<p>` and `&lt;p&gt;` alike, before and after."""

    def tags_in(text: str) -> list[str]:
        while text != (plain := html.unescape(text)):
            text = plain
        return re.findall("<[^<>]*>", text)

    text = "".join(piece for piece in pieces if piece != "&lt;br/&gt;")
    assert tags_in(repair(text).text) == tags_in(text)


@given(
    st.lists(
        st.sampled_from([*ESCAPED, *(html.unescape(e) for e in ESCAPED), "сөз", " ", "\n", "&nbsp;", "`", "<", ">"]),
        max_size=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_decoding_makes_no_tags_that_are_markup(pieces: list[str]) -> None:
    text = "".join(pieces)
    before = {text[tag.start : tag.end] for tag in markup_of(text)}
    decoded = decode_entities(text, Counter())
    if not before:
        assert not markup_of(decoded)


# ---------------------------------------------------------------------------------------------------------- dialogues


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Басты бет &gt; белгілі тұлғалар &gt; департамент", "Басты бет > белгілі тұлғалар > департамент"),
        ("Иә, &nbsp; деп жауап берді", "Иә, деп жауап берді"),
        ("Асан &amp; Үсен, 2 &lt; 5", "Асан & Үсен, 2 < 5"),
    ],
)
def test_entities_that_nobody_speaks_of_are_signs(written: str, meant: str) -> None:
    assert repair(written).text == meant


def test_breaks_that_are_shown_make_no_page_of_a_loose_tag() -> None:
    text = "сөз&lt;br&gt;&lt;br/&gt;`<p>&lt;br&gt;сөз"
    assert decode_entities(text, Counter()).count("<p>") == repair(text).text.count("<p>") == 1
    assert not markup_of(decode_entities(text, Counter()))


@pytest.mark.parametrize(
    "answer",
    [
        '<div class="card">\n  <h1>Сәлем</h1>\n  <p>Мәтін</p>\n</div>',
        'Сілтеме: <a href="https://example.kz">Сайт</a> деп жазыңыз.',
        "<b>сөз</b> деп жазсаңыз, сөз қалың болады",
        "<!-- түсініктеме -->",
    ],
)
def test_answers_that_show_tags_keep_them(answer: str) -> None:
    assert repair(answer, keep_layout=True).text == answer


def test_paragraphs_of_answers_lose_the_tags_around_them() -> None:
    answer = (
        "<p>Бірінші абзацта көп сөз бар, сондықтан бұл мәтін.</p><p>Екінші абзацта да көп сөз бар, бұл да мәтін.</p>"
    )
    shown = "Бірінші абзацта көп сөз бар, сондықтан бұл мәтін.\nЕкінші абзацта да көп сөз бар, бұл да мәтін."
    assert repair(answer, keep_layout=True).text == shown


def test_partners_of_tags() -> None:
    tags = find_tags("<p>а<b>б</b><br><b>")
    assert [tag.partner for tag in tags] == [-1, 2, 1, -1, -1]


PIECES = st.sampled_from(
    [
        "<",
        ">",
        "&",
        ";",
        "/",
        "!",
        "?",
        "--",
        "br",
        "p",
        "b",
        "script",
        "T",
        "u8",
        "lt",
        "amp",
        "#39",
        "Сөз",
        " ",
        "=",
        "`",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_where_no_markup_is_seen_none_is_found(text: str) -> None:
    if not may_have_markup(text):
        counts: Counter[str] = Counter()
        assert decode_entities(remove_markup(text, counts), counts) == text and not counts


@pytest.mark.parametrize("text", ["Сөз<br>", "&laquo;", "<!-- x -->", "</STYLE>", "<o:p>", "a &amp;lt; b", "&#1178;"])
def test_markup_is_seen(text: str) -> None:
    assert may_have_markup(text)
    assert not may_have_markup("fn f(x: &str) -> Option<T> { a << 2 && b }")


@pytest.mark.parametrize("keep_layout", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "Қалың қаріп үшін <b>мәтін</b> деп, ал бос жол үшін <br> деп жазыңыз.",
        "Сөзді қалыңдату үшін <b>мәтін</b> деп жазыңыз.",
        "Чтобы выделить, напишите <strong>слово</strong>, а курсивом — <em>слово</em>.",
        "Write <b>word</b> for bold text and <i>word</i> for italic.",
        "Тақырып <h1>Сәлем</h1> түрінде, ал абзац <p>Мәтін</p> түрінде жазылады.",
        'Сілтемені <a href="https://a.kz">Сайт</a> деп жазасыз.',
        "Ол <script>alert(1)</script> деген кодты қосты.",
    ],
)
def test_elements_that_are_typed_as_they_stand_stay(text: str, keep_layout: bool) -> None:
    assert repair(text, keep_layout=keep_layout).text == text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Бұл қала <b>Астана</b> деп аталады.</p>", "Бұл қала Астана деп аталады."),
        ("<p><b>Бүгін жаңбыр жауады</b> деп жазады Егемен.</p>", "Бүгін жаңбыр жауады деп жазады Егемен."),
        ("<p>Мәтін.</p><script>alert(1)</script>\n<p>Деген сөз.</p>", "Мәтін.\n\nДеген сөз."),
    ],
)
def test_pages_with_the_same_words_lose_their_tags(page: str, text: str) -> None:
    assert re.sub(r"\n+", "\n", repair(page).text) == re.sub(r"\n+", "\n", text)
