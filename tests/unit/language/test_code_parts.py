"""Code in texts, against CommonMark's own parser and by hand."""

import random
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from qaz_llm.language.code_parts import code_spans, hide_code
from qaz_llm.language.repair import repair

PROSE = ["Бірінші сөйлем осы.", "Екінші сөйлем – ұзағырақ, мұнда үтір бар.", "## Тақырып", "Соңғысы қысқа"]
CODE = ["def f(x):", "    return  x", "", "сайт:  аты", "\tа\tб", "if a<b and c>d:", "<br> &lt; &nbsp;", "<b>a</b>"]


def codes(text: str) -> list[str]:
    return [text[start:end] for start, end in code_spans(text)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1. а\n\n   ```python\n   x  = 1\n   ```\n\n2. б", ["   ```python\n   x  = 1\n   ```"]),
        ("а\n~~~yaml\nа:\n  б\n~~~\nв", ["~~~yaml\nа:\n  б\n~~~"]),
        ("````\n```\nа\n```\n````\nв", ["````\n```\nа\n```\n````"]),
        ("> ```\n> а  б\n> ```\nв", ["> ```\n> а  б\n> ```"]),
        ("- ```js\n  а  б\n  ```\nв", ["- ```js\n  а  б\n  ```"]),
        ("            ```\n            а\n            ```\nв", ["            ```\n            а\n            ```"]),
        ("а\n```\nб\n\nв  г\n", ["```\nб\n\nв  г"]),
        ("а `б  в` және ``г ` д`` е", ["`б  в`", "``г ` д``"]),
        ("`print`ті жаз", ["`print`"]),
        ("Мына:\n\ndef f(x):\n    return x\n\nБолды.", ["def f(x):\n    return x"]),
        ('int main() {\n  puts("а");\n}\nБолды', ['int main() {\n  puts("а");\n}']),
        ("Орнату:\n\n    pip install qaz\n    qaz run x\n\nСоң", ["    pip install qaz\n    qaz run x"]),
        ("Сұрау:\nSELECT аты FROM t\nWHERE  a = 1\nболды", ["SELECT аты FROM t\nWHERE  a = 1"]),
    ],
)
def test_code_is_found(text: str, code: list[str]) -> None:
    assert codes(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "O`zbek tili, O`zbekiston",
        "Облыс маслихатының `Жергілікті маңызы бар жолдар туралы` шешімі",
        "~~~~~~~~~~\nөлең\n~~~~~~~~~~",
        "а\n~~~\nжабылмаған ою",
        "    Абзац азат жолдан басталады.\n    Екіншісі де.",
        "The rain fell (as it did every day).\nIf you want it: here it is.\nReturn to the city.",
        "Арманы (1998)\nЖолы (2001)",
        "x пен y; a = b болғанда",
        "Тізім:\n- бірінші;\n- екінші.",
        "# Тақырып\n# Екінші тақырып",
        "",
        "\n",
    ],
)
def test_prose_is_no_code(text: str) -> None:
    assert codes(text) == []


@given(st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_fences_and_inline_code_are_those_of_commonmark(seed: int) -> None:
    """Oracle: markdown-it-py, an implementation of CommonMark, on documents made of paragraphs, lists and fences."""
    rng = random.Random(seed)
    blocks: list[str] = []
    for _ in range(rng.randint(1, 5)):
        fence = rng.choice("`~") * rng.randint(3, 4)
        code = "\n".join(rng.choices(CODE, k=rng.randint(1, 4)))
        fenced = f"{fence}{rng.choice(['', 'python', 'yaml'])}\n{code}\n{fence}"
        item = (
            "- " + textwrap.indent(fenced, "  ").lstrip()
            if rng.random() < 0.5
            else "1. а\n\n" + textwrap.indent(fenced, "   ")
        )
        ticks = "`" * rng.randint(1, 2)
        inline = f"Сөз {ticks}{rng.choice(['a  b', '<b>x</b>', 'x = 1'])}{ticks} соңы."
        blocks.append(rng.choice([*PROSE, fenced, item, inline]))
    text = "\n\n".join(blocks)
    tokens = [token for top in MarkdownIt("commonmark").parse(text) for token in (top, *(top.children or ()))]
    theirs = [token.content.split() for token in tokens if token.type in ("fence", "code_inline")]
    ours = []
    for piece in codes(text):
        lines = piece.split("\n")
        ours.append((piece.strip("`") if len(lines) == 1 else "\n".join(lines[1:-1])).split())
    assert ours == theirs


@given(st.text(alphabet="аб`~ \n\ufdd0\U000f0000=(){};x1-", max_size=60))
@settings(max_examples=300, deadline=None)
def test_what_is_hidden_can_be_shown_again(text: str) -> None:
    hidden = hide_code(text)
    assert hidden.show(hidden.prose) == text


@pytest.mark.parametrize("keep_layout", [False, True])
@pytest.mark.parametrize(
    "code",
    [
        "```python\ndef f(x):\n\tif x<b and c>d:\n\n\n\t\treturn  '<br>&lt;&nbsp;'  \n```",
        "   ```html\n   <p>Сәлем  &amp; қош</p>\n   ```",
        "~~~\nа    б\n~~~",
        '`<a href="x">Сайт</a>  &lt;`',
        "def f(x):\n    for i in range(x):\n        print('&lt;b&gt;')",
        "```\nбiлiм ӊ\n```",
        "all: main.o\n\tgcc -o prog main.o\n\nmain.o: main.c\n\tgcc  -c main.c\n\nclean:\n\trm -f *.o",
        "--- a/main.py\n+++ b/main.py\n@@ -1,3 +1,3 @@\n def f(x):\n-    return x\n+    return  x + 1\n     # соңы",
    ],
)
def test_repair_leaves_code_alone(code: str, keep_layout: bool) -> None:
    text = f"Міне, мысал:\n\n{code}\n\nСоңы."
    assert repair(text, keep_layout=keep_layout).text == text


def test_a_program_of_two_lines_at_the_end_is_code() -> None:
    text = 'import html\nprint(html.unescape("&lt;b&gt;  &amp;"))'
    assert repair(text).text == text


def test_damage_of_the_encoding_is_repaired_in_code_too() -> None:
    assert repair("а\n```\nа\u00adб\r\n\ud800в\n```").text == "а\n```\nаб\nв\n```"


def test_the_quotation_marks_of_tex_are_no_code() -> None:
    text = "Противоракета ``Найк-Зевс&#39;&#39; смогла, тогда ``Челси&#39;&#39; выиграл у ``Брентфорда''."
    assert repair("``Такси +&#39;&#39;, ``Форсаж''.").text == "``Такси +'', ``Форсаж''."
    assert repair(text).text == "Противоракета ``Найк-Зевс'' смогла, тогда ``Челси'' выиграл у ``Брентфорда''."
    code = "Бос жол ``x = ''`` деп, ал ``a &amp; b`` солай жазылады."
    assert repair(code).text == code
