import pytest
from script_writers import embedded_kazakh, share_of_words, write_tote

from qaz_llm.language.arabic import arabic_to_cyrillic


@pytest.mark.parametrize("style", ["mediawiki", "china"])
def test_share_of_words_of_the_embedded_documents_that_come_back(style: str) -> None:
    texts = embedded_kazakh()
    assert share_of_words(texts, [arabic_to_cyrillic(write_tote(text, style)) for text in texts]) >= 0.995


@pytest.mark.parametrize("style", ["mediawiki", "china"])
@pytest.mark.parametrize(
    "words",
    [
        # ө stands in a first syllable only; ا further on makes what follows back
        "желтоқсан солтүстік оңтүстік кітапты демалыс таңертең кітапхана құрманғазы",
        # -мен is no hint for the stem
        "алдымен жолмен сөзбен өзімен бірімен досымен адаммен халқымен тілімен",
        # listed words
        "қазір мұғалім қауіпсіздік бірақ біраз кәсіпорын өнеркәсіп әрқашан куәлік уақытша",
        # loans are of the back unless е or и says otherwise
        "газ телефон комитет банк банкі карта адвокат грамм документ фонд драма доллар",
        # ц and ч are two letters in MediaWiki
        "цех полиция станция процесс почта чемпион патша айтшы хатшы",
        # ىي is и, but ый in тыю and сыю
        "тиіс тиісті сирек сияқты тиын тиянақты мәдениет иесі дүние тыйым сыйлық сиыр қияр",
        "премьер объект поезд назарбаев қоян аю яғни",
        # -ұлы of names
        "ахметұлы әбішұлы",
    ],
)
def test_words_come_back(words: str, style: str) -> None:
    assert arabic_to_cyrillic(write_tote(words, style)).lower() == words


@pytest.mark.parametrize(
    ("arabic", "cyrillic"),
    [
        ("ەلدە جاڭا جىل. «قار جاۋدى»!", "Елде жаңа жыл. «Қар жауды»!"),
        ("ٴبىز كەلدىك، ٴسىز قايدا؟", "Біз келдік, сіз қайда?"),
        ("۲۰۲۴ جىل: ۵٪", "2024 жыл: 5%"),
        ("قازاق — Windows ٴتىلى", "Қазақ — Windows тілі"),
    ],
)
def test_signs_and_capitals(arabic: str, cyrillic: str) -> None:
    assert arabic_to_cyrillic(arabic) == cyrillic
