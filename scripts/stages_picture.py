"""The picture of the stages on the first pages, in three languages: python scripts/stages_picture.py

Writes docs/images/stages.{en,kk,ru}.svg, which follow the reader's light or dark theme.
"""

from __future__ import annotations

from pathlib import Path

from qaz_llm.io import write_text

FOLDER = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT, GAP, MARGIN = 154, 92, 24, 6
STAGES = {
    "en": (
        ("raw text", "files, web, laws"),
        ("corpus", "repaired, sifted,", "licences kept"),
        ("tokenizer", "new Kazakh tokens"),
        ("training", "kk with some ru, en;", "then dialogues"),
        ("evaluation", "kk, ru, en,", "before and after"),
        ("service", "export, gateway,", "labels"),
    ),
    "kk": (
        ("мәтін", "файлдар, веб,", "заңдар"),
        ("корпус", "түзетілген, сүзілген,", "лицензиясы белгілі"),
        ("токенизатор", "жаңа қазақ", "токендері"),
        ("үйрету", "kk, аздап ru мен en;", "сосын диалогтар"),
        ("бағалау", "kk, ru, en:", "дейін және кейін"),
        ("қызмет", "экспорт, шлюз,", "таңба"),
    ),
    "ru": (
        ("тексты", "файлы, веб, законы"),
        ("корпус", "исправлен, отобран,", "лицензии известны"),
        ("токенизатор", "новые казахские", "токены"),
        ("обучение", "kk и немного ru, en;", "затем диалоги"),
        ("оценка", "kk, ru, en:", "до и после"),
        ("сервис", "экспорт, шлюз,", "метки"),
    ),
}
STYLE = """<style>
text { font: 600 16px system-ui, sans-serif; fill: #24292f; text-anchor: middle }
.small { font-size: 12.5px; font-weight: 400; fill: #57606a }
rect { fill: #ddf4ff; stroke: #0969da; stroke-width: 1.5 }
path { fill: #57606a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } rect { fill: #0c2d6b; stroke: #58a6ff } path { fill: #9198a1 }
}
</style>"""


def picture(language: str) -> str:
    """The picture as SVG: a box for each stage, an arrow from each to the next."""
    stages = STAGES[language]
    parts = []
    for number, (name, *lines) in enumerate(stages):
        left = MARGIN + number * (WIDTH + GAP)
        middle = left + WIDTH / 2
        parts.append(f'<rect x="{left}" y="{MARGIN}" width="{WIDTH}" height="{HEIGHT}" rx="9"/>')
        parts.append(f'<text x="{middle}" y="36">{name}</text>')
        parts += [f'<text class="small" x="{middle}" y="{60 + 18 * n}">{line}</text>' for n, line in enumerate(lines)]
        if number:
            y = MARGIN + HEIGHT / 2
            parts.append(f'<path d="M{left - GAP + 5} {y - 5}h6v-4l9 9-9 9v-4h-6z"/>')
    width = 2 * MARGIN + len(stages) * WIDTH + (len(stages) - 1) * GAP
    label = " → ".join(name for name, *_ in stages)
    size = f'viewBox="0 0 {width} {HEIGHT + 2 * MARGIN}" role="img" aria-label="{label}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', STYLE, *parts, "</svg>\n"])


if __name__ == "__main__":
    for language in STAGES:
        write_text(FOLDER / f"stages.{language}.svg", picture(language))
