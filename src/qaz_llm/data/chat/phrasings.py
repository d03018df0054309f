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
        "«{text}» дегенді {adverb} қалай айтады?",
        "{text}\n\nОсыны {adverb}ға аударып берші.",
        "Осы мәтіннің {adverb} аудармасы керек еді:\n{text}",
        "Мәтінді {into} аударыңыз:\n\n{text}",
        "Мынау {adverb} қалай болады?\n{text}",
    ),
    "ru": (
        "Переведи {into}:\n{text}",
        "Переведи этот текст {source} {into}.\n\n{text}",
        "Как сказать {adverb}: «{text}»?",
        "{text}\n\nНапиши это {adverb}, пожалуйста.",
        "Нужен перевод {into}:\n{text}",
        "Переведите, пожалуйста, {into}:\n\n{text}",
        "Как это будет {adverb}?\n{text}",
    ),
    "en": (
        "Translate into {into}:\n{text}",
        "Please translate this text from {source} into {into}.\n\n{text}",
        "How would you say this {adverb}?\n{text}",
        "{text}\n\nPut this into {into}, please.",
        "I need this in {into}:\n{text}",
        "What is the {into} for the following?\n\n{text}",
    ),
}
"""`{adverb}ға` is қазақшаға, орысшаға, ағылшыншаға: all three have back vowels."""

CLASSIFY: Mapping[str, Mapping[str, Sequence[str]]] = {
    "topic": {
        "kk": (
            "Мәтіннің тақырыбын анықта. Жауап нұсқалары: {labels}.\n\n{text}",
            "{text}\n\nБұл мәтін не туралы? Мына тақырыптардың бірін таңда: {labels}.",
            "Төмендегі мәтін қай тақырыпқа жатады ({labels})?\n\n{text}",
            "Мәтінді оқып, тақырыбын мына тізімнен таңдаңыз: {labels}.\n\n{text}",
        ),
        "ru": (
            "Определи тему текста. Варианты ответа: {labels}.\n\n{text}",
            "{text}\n\nО чём этот текст? Выбери одну из тем: {labels}.",
            "К какой теме относится этот текст ({labels})?\n\n{text}",
            "Прочитайте текст и выберите его тему из списка: {labels}.\n\n{text}",
        ),
        "en": (
            "Name the topic of this text. Possible answers: {labels}.\n\n{text}",
            "{text}\n\nWhat is this text about? Choose one of: {labels}.",
            "Which topic does the following text belong to ({labels})?\n\n{text}",
            "Read the text and pick its topic from this list: {labels}.\n\n{text}",
        ),
    },
    "rating": {
        "kk": (
            "Пікірді оқып, оның авторы қандай баға қойғанын анықта. Жауап нұсқалары: {labels}.\n\n{text}",
            "{text}\n\nОсы пікірді жазған адам қандай баға қойды деп ойлайсың ({labels})?",
            "Төмендегі пікірге қарап, қойылған бағаны тап: {labels}.\n\n{text}",
        ),
        "ru": (
            "Прочитай отзыв и определи, какую оценку поставил его автор. Варианты ответа: {labels}.\n\n{text}",
            "{text}\n\nКакую оценку, по-твоему, поставил автор этого отзыва ({labels})?",
            "Определи по отзыву поставленную оценку: {labels}.\n\n{text}",
        ),
        "en": (
            "Read the review and say which rating its author gave. Possible answers: {labels}.\n\n{text}",
            "{text}\n\nWhich rating do you think the author of this review gave ({labels})?",
            "Guess the rating from the review: {labels}.\n\n{text}",
        ),
    },
    "polarity": {
        "kk": (
            "Бұл пікір қандай сипатта жазылған? Жауап нұсқалары: {labels}.\n\n{text}",
            "{text}\n\nПікірдің реңкін анықта: {labels}.",
            "Төмендегі пікірдің реңкі қандай ({labels})?\n\n{text}",
        ),
        "ru": (
            "Какой это отзыв? Варианты ответа: {labels}.\n\n{text}",
            "{text}\n\nОпредели тональность отзыва: {labels}.",
            "Какова тональность этого отзыва ({labels})?\n\n{text}",
        ),
        "en": (
            "What kind of review is this? Possible answers: {labels}.\n\n{text}",
            "{text}\n\nName the sentiment of this review: {labels}.",
            "Which sentiment does the following review express ({labels})?\n\n{text}",
        ),
    },
}
"""By what the labels say of a text, then by language."""

ASK: Mapping[str, Sequence[str]] = {
    "kk": (
        "{context}\n\nСұрақ: {question}",
        "Мәтінді оқып, сұраққа жауап бер.\n\n{context}\n\n{question}",
        "{question}\n\nЖауабын мына мәтіннен тап:\n{context}",
        "Мәтінге сүйеніп, сұраққа қысқаша жауап беріңіз.\n\nМәтін: {context}\n\nСұрақ: {question}",
    ),
    "ru": (
        "{context}\n\nВопрос: {question}",
        "Прочитай текст и ответь на вопрос.\n\n{context}\n\n{question}",
        "{question}\n\nНайди ответ в этом тексте:\n{context}",
        "Опираясь на текст, кратко ответьте на вопрос.\n\nТекст: {context}\n\nВопрос: {question}",
    ),
    "en": (
        "{context}\n\nQuestion: {question}",
        "Read the text and answer the question.\n\n{context}\n\n{question}",
        "{question}\n\nFind the answer in this text:\n{context}",
        "Answer the question briefly from the text.\n\nText: {context}\n\nQuestion: {question}",
    ),
}

CONTINUE: Mapping[str, Mapping[str, Sequence[str]]] = {
    "text": {
        "kk": (
            "Мәтінді жалғастыр:\n{text}",
            "Мына мәтіннің жалғасын жазып берші.\n\n{text}",
            "{text}\n\nӘрі қарай не болғанын жаз.",
            "Төмендегі мәтін әрі қарай қалай жалғасады?\n\n{text}",
            "Мәтін былай басталады. Жалғасын жазыңыз.\n\n{text}",
        ),
        "ru": (
            "Продолжи текст:\n{text}",
            "Напиши продолжение этого текста.\n\n{text}",
            "{text}\n\nНапиши, что дальше.",
            "Как продолжается этот текст?\n\n{text}",
            "Текст начинается так. Допишите его, пожалуйста.\n\n{text}",
        ),
        "en": (
            "Continue this text:\n{text}",
            "Write what comes next in this text.\n\n{text}",
            "{text}\n\nPlease go on from here.",
            "How does the following text go on?\n\n{text}",
            "A text begins like this. Write the rest of it.\n\n{text}",
        ),
    },
    "sentence": {
        "kk": (
            "Сөйлемді аяқта: {text}",
            "Мына сөйлемнің соңын жазып бер:\n{text}",
            "{text}\n\nСөйлемді аяқтаңыз.",
            "Төмендегі сөйлем қалай аяқталады?\n\n{text}",
        ),
        "ru": (
            "Закончи предложение: {text}",
            "Допиши это предложение:\n{text}",
            "{text}\n\nЗакончите, пожалуйста, предложение.",
            "Чем заканчивается это предложение?\n\n{text}",
        ),
        "en": (
            "Finish the sentence: {text}",
            "Complete this sentence:\n{text}",
            "{text}\n\nPlease finish the sentence.",
            "How does the following sentence end?\n\n{text}",
        ),
    },
}
"""By what is to be continued, a text after its first sentence or one sentence, then by language."""
