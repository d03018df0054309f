"""Words and endings that tell Russian, English and Karakalpak from the languages they are taken for.

Most are the commonest words and endings of their language that came at least six times as often there as in any neighbour's
translation of the same text (the Universal Declaration of Human Rights, FLORES-200); some were added by grammar, and what
then led sentences of a neighbour astray was taken out. Letters tell Kazakh.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RUSSIAN_WORDS = _words(
    "как это его также году время были чтобы когда если более которые который которая которых быть может является "
    "человек очень еще ещё будет есть сказал чем меня нет этом ему себя могут этого даже всех всё сегодня несколько "
    "всего эти этот теперь имеет больше этой кто однако хотя каждый часть здесь что только вы был была было для они её ее "
    "об их после перед через лет года год где"
)
"""Words of Russian that no other language written with its 33 letters has, Bulgarian before all: `от`, `или`, `при` and
`без` are shared and not here."""

RUSSIAN_ENDINGS = _words(
    "тся ать ные ает его лся тов ыми гда ают ков ием нию кие ась ось лее рые нее вые ует яет тью дов ьше ией еть ить ять уть "
    "цию вый иях щие ого ому ему ных ный кий ший ную кую ыть ешь ишь ами ями"
)
"""Last three letters of longer words that only Russian has, of the languages written with its 33 letters."""

SHARED_SLAVIC_WORDS = _words("много всичко малко")
"""Words of Bulgarian that end as Russian ones do."""

ENGLISH_WORDS = _words(
    "the this that they there their your would about when what very people after only now how know could these little "
    "where our being country should even called because much used through while never years since against came own "
    "during those still off between think another and with which from has been were you his she who not my"
)
"""Small words that English does not share with other languages in Latin letters."""

KARAKALPAK_WORDS = _words(
    "ҳәм хәм ушын бир еди кейин еки өзи өзиниң биз киши екинши биринши ҳәр хәр инсан дүнья арқалы илим тийис "
    "хеш усы ямаса мәмлекет мәмлекетлик тийкар хуқық буннан"
)
"""Words that Karakalpak spells with и where Kazakh has і, or has alone; its letters ў and ҳ are often typed у and х."""

KARAKALPAK_ENDINGS = _words("еди лди рди иги лип рип сип риу лиу тиу диу ниу лыу рыу тыу дыу ныу")
"""Last three letters of Karakalpak words that in Kazakh end in -еді, -лді, -ріп, -лу …; -иң beside them."""
