"""How people ask: several natural wordings per language for each kind of instruction, so that no single one is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FROM: Mapping[str, Mapping[str, str]] = {
    "kk": {"kk": "қазақ тілінен", "ru": "орыс тілінен", "en": "ағылшын тілінен"},
    "ru": {"kk": "с казахского", "ru": "с русского", "en": "с английского"},
    "en": {"kk": "Kazakh", "ru": "Russian", "en": "English"},
}
INTO: Mapping[str, Mapping[str, str]] = {
    "kk": {"kk": "қазақ тіліне", "ru": "орыс тіліне", "en": "ағылшын тіліне"},
    "ru": {"kk": "на казахский", "ru": "на русский", "en": "на английский"},
    "en": {"kk": "Kazakh", "ru": "Russian", "en": "English"},
}
ADVERB: Mapping[str, Mapping[str, str]] = {
    "kk": {"kk": "қазақша", "ru": "орысша", "en": "ағылшынша"},
    "ru": {"kk": "по-казахски", "ru": "по-русски", "en": "по-английски"},
    "en": {"kk": "in Kazakh", "ru": "in Russian", "en": "in English"},
}

TRANSLATE: Mapping[str, Sequence[str]] = {
    "kk": (
        "Мына мәтінді {into} аударып бер:\n{text}",
        "Төмендегі мәтінді {source} {into} аудар.\n\n{text}",
        "«{text}» – осыны {adverb} қалай айтуға болады?",
        "{text}\n\nОсыны {adverb} жазып берші.",
        "Маған {into} аударма керек:\n{text}",
    ),
    "ru": (
        "Переведи {into}:\n{text}",
        "Переведи этот текст {source} {into}.\n\n{text}",
        "Как сказать {adverb}: «{text}»?",
        "{text}\n\nНапиши это {adverb}, пожалуйста.",
        "Нужен перевод {into}:\n{text}",
    ),
    "en": (
        "Translate into {into}:\n{text}",
        "Please translate this text from {source} into {into}.\n\n{text}",
        "How would you say this {adverb}?\n{text}",
        "{text}\n\nPut this into {into}, please.",
        "I need this in {into}:\n{text}",
    ),
}

CLASSIFY: Mapping[str, Sequence[str]] = {
    "kk": (
        "Мәтіннің тақырыбын анықта. Мүмкін жауаптар: {labels}.\n\n{text}",
        "{text}\n\nБұл мәтін не туралы? Мына тақырыптардың бірін таңда: {labels}.",
        "Төмендегі мәтін қай тақырыпқа жатады ({labels})?\n\n{text}",
    ),
    "ru": (
        "Определи тему текста. Возможные ответы: {labels}.\n\n{text}",
        "{text}\n\nО чём этот текст? Выбери одну из тем: {labels}.",
        "К какой теме относится этот текст ({labels})?\n\n{text}",
    ),
    "en": (
        "Name the topic of this text. Possible answers: {labels}.\n\n{text}",
        "{text}\n\nWhat is this text about? Choose one of: {labels}.",
        "Which topic does the following text belong to ({labels})?\n\n{text}",
    ),
}

ASK: Mapping[str, Sequence[str]] = {
    "kk": (
        "{context}\n\nСұрақ: {question}",
        "Мәтінді оқып, сұраққа жауап бер.\n\n{context}\n\n{question}",
        "{question}\n\nЖауапты мына мәтіннен тап:\n{context}",
    ),
    "ru": (
        "{context}\n\nВопрос: {question}",
        "Прочитай текст и ответь на вопрос.\n\n{context}\n\n{question}",
        "{question}\n\nНайди ответ в этом тексте:\n{context}",
    ),
    "en": (
        "{context}\n\nQuestion: {question}",
        "Read the text and answer the question.\n\n{context}\n\n{question}",
        "{question}\n\nFind the answer in this text:\n{context}",
    ),
}
