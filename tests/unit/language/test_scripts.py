import difflib
import gzip
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language.arabic import arabic_to_cyrillic
from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.latin import LATIN_ALPHABETS
from qaz_llm.language.scripts import (
    detect_script,
    detect_scripts,
    may_be_converted,
    to_cyrillic,
)

# Article 1 of the Universal Declaration of Human Rights in Kazakh, and by hand in six Latin alphabets.
CYRILLIC = "Барлық адамдар тумысынан азат және қадір-қасиеті мен құқықтары тең болып дүниеге келеді."
LATIN = {
    "latin-2021": "Barlyq adamdar tumysynan azat jäne qadır-qasietı men qūqyqtary teñ bolyp düniege keledı.",
    "latin-2018": "Barlyq adamdar týmysynan azat jáne qadir-qasıeti men quqyqtary teń bolyp dúnıege keledi.",
    "latin-2017": "Barlyq adamdar ty'mysynan azat ja'ne qadir-qasi'eti men quqyqtary ten' bolyp du'ni'ege keledi.",
    "latin-wikipedia": "Barlıq adamdar twmısınan azat jäne qadir-qasïeti men quqıqtarı teñ bolıp dünïege keledi.",
    "latin-kazinform": "Barlıq adamdar twmısınan azat jäne qadir-qasïeti men quqıqtarı teñ bolıp dünïege keledi. Olardıñ üyi.",
    "latin-common": "Barlıq adamdar tumısınan azat jəne qadir-qasïyeti men qūqıqtarı teñ bolıp dünïyege keledi.",
    "latin-2019": "Barlyq adamdar twmysynan azat jäne qadir-qasıeti men quqyqtary teŋ bolyp dünıege keledi.",
    "latin-yanalif": "Barlьq adamdar tuvmьsьnan azat çəne qadir-qasijeti men quqьqtarь teꞑ ʙolьp dynijege keledi.",
}


@pytest.mark.parametrize("name", LATIN)
def test_each_latin_alphabet_is_told_apart_and_read(name: str) -> None:
    conversion = to_cyrillic(LATIN[name])
    assert conversion is not None
    assert conversion.text.startswith(CYRILLIC)
    assert conversion.alphabet == name


def test_every_alphabet_is_covered_here() -> None:
    assert {alphabet.name for alphabet in LATIN_ALPHABETS} == set(LATIN)


@pytest.mark.parametrize(
    ("arabic", "cyrillic"),
    [
        ("بۇل بەت ٴۇشىن تىياناقتى نۇسقانى باپتاۋ", "Бұл бет үшін тиянақты нұсқаны баптау"),
        ("دٵيەكسٶز قاتەسٸ", "Дәйексөз қатесі"),
        ("قازاق حالقى، ٴبىر ەل؟", "Қазақ халқы, бір ел?"),
        ("جاۋاپكەرشىلىك", "Жауапкершілік"),
    ],
)
def test_arabic_script(arabic: str, cyrillic: str) -> None:
    assert arabic_to_cyrillic(arabic) == cyrillic


# Sentences about everyday things in languages that are written in these scripts.
OTHERS = {
    "kk-Cyrl": CYRILLIC,
    "en": "The president said that the new law would come into force next year, and everybody agreed with it.",
    "en-2": "I'd say it's Alice's book, isn't it? Why shouldn't they try my yellow chair's shape? She says she likes it.",
    "tr": "Bu akşam arkadaşlarımla birlikte sinemaya gideceğiz, sonra da güzel bir yemek yiyeceğiz. Ankara, "
    "Anadolu'nun ortasında yer alır ve nüfusu beş milyondan fazladır; şehirde çok üniversite vardır.",
    "az": "Azərbaycan Respublikasının prezidenti bu gün yeni qanunu imzaladı və o, qüvvəyə mindi. Bakı şəhəri Xəzər "
    "dənizinin sahilində yerləşir, burada iki milyondan çox adam yaşayır.",
    "uz": "O‘zbekiston Respublikasi Prezidenti bugun yangi qaror imzoladi. Bu kitob juda qiziqarli bo'lib, uni o'qish "
    "uchun ko'p vaqt kerak emas. G'arbiy viloyatlarda yog'ingarchilik kutilmoqda, shuning uchun ehtiyot bo'ling.",
    "tt": "Tatarstan Respublikası Rusiä Federatsiäseneñ sostavına kerä häm anıñ başqalası Qazan şähäre bulıp tora. "
    "Xalıqnıñ küpçelege tatar telendä söyläşä, läkin ruşça da yaxşı belä.",
    "crh": "Qırım yarımadası Qara deñizniñ şimalinde yerleşken ve onıñ paytahtı Aqmescit şeeridir. Qırımtatar tili "
    "türkiy tiller qoruntısına kire. Bu kün bizim içün pek müim, amma er kes ana tilini bilmey.",
    "kaa": "Qaraqalpaqstan Respublikası Ózbekstan Respublikasınıń quramına kiretuǵın suveren respublika bolıp tabıladı. "
    "Xalıqtıń turmıs dárejesin jaqsılaw ushın kóp jumıslar islenbekte hám jańa mektepler qurılmaqta. Bul kitap júdá "
    "qızıqlı, onı oqıw kerek emes dep aytıwǵa bolmaydı.",
    "tk": "Türkmenistanyň paýtagty Aşgabat şäheridir. Bu ýerde köp adam ýaşaýar we olar üçin täze jaýlar gurulýar, "
    "mekdepler açylýar. Her bir adam öz dilinde geplemäge haklydyr.",
    "ug-Latn": "Bu kitab nahayiti qiziqarliq bolup, uni oqush üchün köp waqit ketmeydu. Uyghurlar Merkiziy Asiyada "
    "yashaydu we öz tilida sözlishidu. Balilar mektepke baridu.",
    "ky-Latn": "Kırgızstan Borbor Aziyadagı ölkö bolup, anın borboru Bişkek şaarı. Kırgız tili türk tilderinin biri, al "
    "eki million kişi üçün ene til bolup sanalat. Jañı mektep kurulup jatat.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw, są oni obdarzeni rozumem i "
    "sumieniem i powinni postępować wobec innych w duchu braterstwa. Książka leży na półce obok łóżka.",
    "kaa-2": "Hár bir adam óz jumısın jaqsı kóredi. Balalar mektepte oqıydı hám jańa sózlerdi úyrenedi, sonlıqtan olar "
    "kitapxanaǵa baradı. Qalanıń kósheleri keń, al úyleri biyik.",
    "tr-2": "Yağmur yağdığı için çocuklar evde kaldı ve akşama kadar oyun oynadı. Kırmızı balıklar gölde kıvrıla kıvrıla "
    "yüzüyor, ağaçların yaprakları sararıyordu; bütün dağlar karla kaplıydı.",
    "fr": "Où est-ce que vous êtes né ? Je suis né à Québec, une ville où l'on parle français. C'est l'été que j'y reste.",
    "de": "Übrigens möchte ich schöne Grüße aus München schicken; ich hoffe, daß ihr gesund seid und öfter schreibt.",
    "vi": "Việt Nam là một quốc gia nằm ở phía đông bán đảo Đông Dương, thuộc khu vực Đông Nam Á.",
    "ug": "بو يەردە ياشايدىغان ئادەملەر ئۆز تىلىدا سۆزلەيدۇ ۋە بالىلىرىنى مەكتەپكە بېرىدۇ",
    "fa": "این کتاب بسیار خوب است و همه باید آن را بخوانند، زیرا دربارهٔ زندگی مردم کشور ما نوشته شده است.",
    "ur": "یہ کتاب بہت اچھی ہے اور سب لوگوں کو اسے پڑھنا چاہیے کیونکہ یہ ہمارے ملک کی تاریخ کے بارے میں ہے۔",
    "ar": "ذهب الولد إلى المدرسة في الصباح الباكر مع أصدقائه، ثم عاد إلى البيت بعد الظهر وقرأ كتابا جديدا",
    "ckb": "ئەم کتێبە زۆر باشە و هەموو کەسێک دەبێت بیخوێنێتەوە، چونکە باسی ژیانی خەڵکی ئێمە دەکات",
    "chat": "Zhyly kundi kutip otyrgan balalar dalada oinap zhur, sondyqtan barlyq adamdar qatty qyzyp turady.",
}


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_not_kazakh_in_another_script_is_not_converted(language: str) -> None:
    assert to_cyrillic(OTHERS[language]) is None


@pytest.mark.parametrize("name", LATIN)
def test_numerals_addresses_and_names_stay(name: str) -> None:
    more = "XVIII–XIX, II, VII; https://egov.kz/cms/kk, info@egov.kz, #qazaq, TRIPP."
    conversion = to_cyrillic(f"{LATIN[name]} {more}")
    assert conversion is not None
    assert conversion.text.endswith(more)
    assert conversion.left == {"numeral": 4, "address": 2, "tag": 1, "abbreviation": 1}
    assert conversion.left_words == 8


def test_2019_and_2021_where_nothing_but_the_words_tell_them_apart() -> None:
    conversion = to_cyrillic("Bul kitap balalarğa arnalğan, onyŋ işinde qysqa äŋgimeler men öleŋder bar.")
    assert conversion is not None
    assert conversion.alphabet == "latin-2019"
    assert conversion.text == "Бұл кітап балаларға арналған, оның ішінде қысқа әңгімелер мен өлеңдер бар."


@pytest.mark.parametrize(
    ("text", "alphabet", "cyrillic"),
    [
        ("Kıtap oqu öte qyzyq.", "latin-2021", "Кітап оқу өте қызық."),
        (
            "Men mektepke barǵan joqpyn, óıtkeni aýyryp qaldym.",
            "latin-2018",
            "Мен мектепке барған жоқпын, өйткені ауырып қалдым.",
        ),
        (
            "Biz bügin qalağa barıp, jaña kitap satıp aldıq.",
            "latin-wikipedia",
            "Біз бүгін қалаға барып, жаңа кітап сатып алдық.",
        ),
        (
            "Ana tilin bilmegen adam qalay öz xalqın süyedi?",
            "latin-kazinform",
            "Ана тілін білмеген адам қалай өз халқын сүйеді?",
        ),
    ],
)
def test_one_sentence_is_enough(text: str, alphabet: str, cyrillic: str) -> None:
    conversion = to_cyrillic(text)
    assert conversion is not None
    assert (conversion.alphabet, conversion.text) == (alphabet, cyrillic)


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
@pytest.mark.parametrize("language", ["tr", "az", "uz", "en"])
def test_five_sentences_of_another_language_are_never_converted(language: str) -> None:
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "xwmt" / f"xwmt_kk_{language}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        sentences = [json.loads(line)[language] for line in lines]
    for start in range(0, len(sentences) - 4, 5):
        assert to_cyrillic(" ".join(sentences[start : start + 5])) is None


def test_what_is_left_in_a_conversion_does_not_hide_that_it_is_kazakh() -> None:
    address = "https://kk.wikipedia.org/wiki/Qazaq_tılı?action=history&offset=20200101000000"
    conversion = to_cyrillic(f"{address} {LATIN['latin-2021']}")
    assert conversion is not None
    assert conversion.text == f"{address} {CYRILLIC}"


def test_detect_script() -> None:
    assert detect_script("Қазақ tili тілі") == "Cyrl"
    assert detect_script("qazaq тілі latynşa") == "Latn"
    assert detect_script("قازاق") == "Arab"
    assert detect_script("123 … —") == "Zyyy"


SCRIPT_LETTERS = {
    "Cyrl": re.compile("[\u0400-\u052f]"),
    "Latn": re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"),
    "Arab": re.compile("[\u0621-\u064a\u066e-\u06d3\u06d5\u06fa-\u06ff\u0750-\u077f]"),
}


@given(
    st.lists(st.text(alphabet=st.one_of(st.sampled_from("абқaäş ۇقا1.—"), st.characters(codec="utf-8")), max_size=20))
)
@settings(max_examples=200, deadline=None)
def test_scripts_of_a_batch_are_those_that_regular_expressions_count(texts: list[str]) -> None:
    expected = []
    for text in texts:
        counts = {script: len(letter.findall(text)) for script, letter in SCRIPT_LETTERS.items()}
        best = max(counts, key=lambda script: counts[script])
        expected.append(best if counts[best] else "Zyyy")
    assert detect_scripts(scan_texts(texts)) == expected
    assert [detect_script(text) for text in texts] == expected


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
@pytest.mark.parametrize(("key", "alphabet"), [("kk_latn", "latin-wikipedia"), ("kk_arab", "arabic-tote")])
def test_three_scripts_of_mediawiki(key: str, alphabet: str) -> None:
    """Interface texts written by people in all three scripts. The Cyrillic text is often another wording, so words are
    compared where an alignment finds the same or nearly the same word."""
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "mediawiki_i18n" / "mediawiki_ext_kk3scripts_ru_en.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if "kk_latn" in row and "kk_arab" in row]
    no_words = re.compile(r"<[^<>]*>|&[a-z]+;|\{\{[^{}|]*:|https?:\S+|\$\w+|\n")
    conversion = to_cyrillic("\n".join(no_words.sub(" ", row[key]) for row in rows))
    assert conversion is not None
    assert conversion.alphabet == alphabet
    same = different = 0
    for row, converted in zip(rows, conversion.text.split("\n"), strict=True):
        ours, theirs = (
            re.findall("[а-яәғқңөұүһіё]+", text.lower()) for text in (converted, no_words.sub(" ", row["kk"]))
        )
        matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
        for kind, i, i_end, j, j_end in matcher.get_opcodes():
            same += i_end - i if kind == "equal" else 0
            if kind == "replace" and i_end - i == j_end - j:
                pairs = zip(ours[i:i_end], theirs[j:j_end], strict=True)
                different += sum(difflib.SequenceMatcher(None, *pair).ratio() >= 0.7 for pair in pairs)
    assert same > 600
    assert same / (same + different) > 0.97


SHORT_2017 = (
    "Qazaqstannyn' en' u'lken qalasy – Almaty. Munda ko'p adam turady, sondyqtan ko's'eler a'rqas'an adamg'a toly."
)
CYRILLIC_2017 = "Қазақстанның ең үлкен қаласы – Алматы. Мұнда көп адам тұрады, сондықтан көшелер әрқашан адамға толы."


@pytest.mark.parametrize("sign", "'’ʼ‘ʻ´`′＇ˈ")
def test_apostrophes_of_every_kind(sign: str) -> None:
    conversion = to_cyrillic(SHORT_2017.replace("'", sign))
    assert conversion is not None
    assert conversion.text == CYRILLIC_2017


@pytest.mark.parametrize(
    ("latin", "cyrillic"),
    [
        (
            "Eger x > 0 jäne y < 5 bolsa, onda f(x) = x² + 2x funksiasynyñ mänı oñ bolady. ABC üşbūryşynyñ qabyrğasy 5 sm.",
            "Егер x > 0 және y < 5 болса, онда f(x) = x² + 2x функциясының мәні оң болады. ABC үшбұрышының қабырғасы 5 см.",
        ),
        (
            "Qazır Google-dıñ qyzmetterın köp adam qoldanady. Oquşylar WhatsApp-qa tapsyrma jıberedı, YouTube-ten köredı.",
            "Қазір Google-дің қызметтерін көп адам қолданады. Оқушылар WhatsApp-қа тапсырма жібереді, YouTube-тен көреді.",
        ),
        (
            "XVIII ǵasyrda I Petr patsha Reseıde bilik qurdy, al II Ekaterına ony jalǵastyrdy. XIX ǵasyrdyń 30-jyldary Mahambet kóterilis bastady.",
            "XVIII ғасырда I Петр патша Ресейде білік құрды, ал II Екатерина оны жалғастырды. XIX ғасырдың 30-жылдары Махамбет көтеріліс бастады.",
        ),
        (
            "Būl jerde köp adam tūradı, sondıqtan köşeler ärqaşan adamğa tolı. Uaqıt ötken sayın jaña üyler salınıp jatır.",
            "Бұл жерде көп адам тұрады, сондықтан көшелер әрқашан адамға толы. Уақыт өткен сайын жаңа үйлер салынып жатыр.",
        ),
        (
            "The weather in Almaty was fine, and the mountains could be seen.\n\nKeşe kün jyly boldy, taular anyq körındı.",
            "The weather in Almaty was fine, and the mountains could be seen.\n\nКеше күн жылы болды, таулар анық көрінді.",
        ),
        ("مەن قازاقپىن، قازاق تىلىندە سويلەيمىن.", "Мен қазақпын, қазақ тілінде сөйлеймін."),
    ],
    ids=["formulas", "firms", "numerals", "common", "english", "short-tote"],
)
def test_what_is_foreign_in_a_text_does_not_decide_its_alphabet(latin: str, cyrillic: str) -> None:
    conversion = to_cyrillic(latin)
    assert conversion is not None
    assert conversion.text == cyrillic


@pytest.mark.parametrize(
    "text",
    [
        "Qırğızstandın eñ çoñ şaarı – Bişkek. Bul jerde köp adam jaşayt, oşonduqtan köçölör dayıma adamğa tolo.",
        "Ózbekistonning eng katta şahri Toşkent. Bu yerda köp odam yaşaydi, şuning uçun kóçalar doim gavjum, ǵalaba.",
        "Ancaq qızların otağında hələ də işıq yanırdı, qarı isə artıq çoxdan yatmışdı.",
        "Ol oyın oǵan kerek degen usınıstı ózine maqul kórdi.",
        "She quoted 'Men qazaqpyn' and the poet's words; it's an old lover's song, isn't it? Don't say we didn't know.",
    ],
)
def test_neighbours_are_left_alone(text: str) -> None:
    assert to_cyrillic(text) is None


LETTERS_OF_ALL = "abeiqsyABIQS ouz äğñöşüūı áǵńóúý ïý ʙəƣꞑŋņɵьƶç '’ʼ‘ʻ´` İ 12 .!— قازاق ءبىز"


@given(st.lists(st.text(LETTERS_OF_ALL, max_size=40), max_size=6))
@settings(max_examples=300, deadline=None)
def test_what_may_not_be_converted_is_not_converted(texts: list[str]) -> None:
    for text, may_be in zip(texts, may_be_converted(scan_texts(texts)), strict=True):
        assert may_be or to_cyrillic(text) is None


def test_texts_in_every_alphabet_may_be_converted() -> None:
    texts = ["Qazaqstan Respublikasy táýelsiz el", "قازاقستان رەسپۋبليكاسى", "Bärimiz bir jerde turamyz", "a`n", ""]
    assert may_be_converted(scan_texts(texts)) == [True, True, True, True, False]
    assert may_be_converted(scan_texts(["Which river flows here?", "Which river's this?"])) == [False, True]
