import gzip
import json
import os
from pathlib import Path

import pytest

from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.identify import identify, identify_texts, label_pieces

TEXTS = {
    "kk": "Ауыл тұрғындары жаңа көпірдің ашылуына жиналды. Мұндай құрылыс бұрын болмаған.",
    "ru": "Жители села собрались на открытие нового моста. Такой стройки раньше не было.",
    "en": "The villagers gathered for the opening of the new bridge. There had been no such works before.",
    "ky": "Кыргызстандын президенти бүгүн жаңы мыйзамга кол койду. Бул тууралуу басма сөз кызматы билдирди.",
    "tt": "Бу татар телендә язылган җөмлә. Ул бик матур һәм файдалы китап иде, балалар аны яратып укыды.",
    "ba": "Башҡортостан Республикаһында яңы мәктәп асылды, балалар уҡырға килде.",
    "uz": "Ўзбекистон Республикаси Президенти янги қарор имзолади. Бу ҳақда матбуот хизмати хабар берди.",
    "mn": "Монгол улсын ерөнхийлөгч өнөөдөр шинэ хууль баталж, ард түмэнд мэдээлэл хүргэв.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_languages(language: str) -> None:
    assert identify(TEXTS[language]).main == language


NEIGHBOURS = {
    "kaa": [
        "Қарақалпақстан Республикасы бойынша бүгин жаңа мектеплер ашылды ҳәм балалар оқыўға келди.",
        "Бизиң елимизде жаслар ушын көплеген имканиятлар жаратылған, олар илим менен шуғылланады.",
        "Карақалпақстан Республикасы бойынша бугин жаңа мектеплер ашылды хәм балалар окыуға келди.",
        "Ол кеше үйине келип, анасына бәрин айтып берди.",
    ],
    "ky": [
        "Кыргызстандын президенти бүгүн жаңы мыйзамга кол койду.",
        "Балдар эртең менен мектепке барып, кечинде үйгө кайтып келишти.",
        "Тоолордо кар көп жаады, ошондуктан жолдор жабылып калды.",
        "Мен аны менен кечээ базардан кездешип, көпкө чейин сүйлөштүм.",
    ],
    "tt": [
        "Бу татар телендә язылган җөмлә, ул бик матур һәм файдалы.",
        "Балалар иртән мәктәпкә барды, ә кич белән өйгә кайттылар.",
        "Без кичә шәһәр үзәгендә дусларыбыз белән очраштык.",
    ],
    "ba": [
        "Башҡортостан Республикаһында яңы мәктәп асылды, балалар уҡырға килде.",
        "Беҙ кисә ҡала үҙәгендә дуҫтарыбыҙ менән осраштыҡ.",
    ],
    "uz-cyrl": [
        "Ўзбекистон Республикаси Президенти янги қарор имзолади.",
        "Болалар эрталаб мактабга боришди, кечқурун уйга қайтиб келишди.",
        "Биз кеча шаҳар марказида дўстларимиз билан учрашдик.",
    ],
    "uz": [
        "O'zbekiston prezidenti bugun yangi qaror imzoladi va u barcha fuqarolar uchun muhim.",
        "Bolalar ertalab maktabga borishdi, kechqurun uyga qaytib kelishdi.",
    ],
    "ug-cyrl": [
        "Биз уйғур тилида сөзләймиз вә өз мәдәнийитимизни сақлаймиз, бу бизниң бурчимиз.",
        "Балилар әтигәндә мәктәпкә барди, кәчқурун өйгә қайтип кәлди.",
    ],
    "mn": [
        "Монгол улсын ерөнхийлөгч өнөөдөр шинэ хууль баталж, ард түмэнд мэдээлэл хүргэв.",
        "Хүүхдүүд өглөө сургуульдаа явж, орой гэртээ харьсан.",
    ],
    "tg": [
        "Тоҷикистон дар маркази Осиё ҷойгир аст, пойтахташ шаҳри Душанбе мебошад.",
        "Кӯдакон субҳ ба мактаб рафтанд ва бегоҳ ба хона баргаштанд.",
    ],
    "az": [
        "Azərbaycan prezidenti bu gün yeni qanun imzaladı və o, bütün vətəndaşlar üçün vacibdir.",
        "Uşaqlar səhər məktəbə getdilər, axşam evə qayıtdılar.",
    ],
    "tr": [
        "Çocuklar sabah okula gitti, akşam eve döndüler ve yemek yediler.",
        "Cumhurbaşkanı bugün yeni yasayı imzaladı, bu bütün vatandaşlar için önemlidir.",
    ],
    "uk": [
        "Президент України підписав новий закон, який набуде чинності наступного року.",
        "Діти вранці пішли до школи, а ввечері повернулися додому.",
        "Але вона не знала, що там на неї чекали.",
    ],
    "be": [
        "Прэзідэнт падпісаў новы закон, які набудзе моц у наступным годзе.",
        "Дзеці раніцай пайшлі ў школу, а ўвечары вярнуліся дадому.",
    ],
    "bg": [
        "Президентът подписа новия закон, който ще влезе в сила през следващата година.",
        "Децата отидоха сутринта на училище, а вечерта се върнаха вкъщи.",
        "Това е много важно за всички, които искат да учат в други страни.",
    ],
    "sr": [
        "Председник је данас потписао нови закон који ступа на снагу следеће године.",
        "Деца су ујутру отишла у школу, а увече су се вратила кући.",
    ],
    "kjh": ["Хакас тілі хакас чоннаңар чоохталча, аның пазы полған тілні ӧӧрет тее ҷолға."],
}


@pytest.mark.parametrize("language", NEIGHBOURS)
def test_neighbours_are_neither_kk_nor_ru_nor_en(language: str) -> None:
    for text in [*NEIGHBOURS[language], " ".join(NEIGHBOURS[language])]:
        shares = identify(text)
        assert shares.kk + shares.ru + shares.en == 0, (text, shares.main)


@pytest.mark.parametrize(
    "text",
    [
        "Вена является столицей Австрии.",
        "Где находится площадь Ленина?",
        "Под девизом: «Курение против расизма».",
        "Твой папа ей сколько передавал.",
        "Порядок исполнения Государственного Гимна Республики Казахстан",
        "Победителем турнира стала команда DesignWare Systems из Алматы, набрав больше очков.",
    ],
)
def test_single_russian_sentences(text: str) -> None:
    assert identify(text).main == "ru"


@pytest.mark.parametrize(
    "text",
    [
        "Наразылықтар сондай-ақ Парижде, Болгариядағы София мен Литвадағы Вильнюс қалаларында өтті.",
        "Мутация жаңа генетикалық вариацияны қосады және селекция оны ашық вариация жиынтығынан шығарады.",
        "Алматы облысында жаңа ауруханалар салынады.",
        "Сол приборлармен уран, торий, радий металдары бар минералдарды ажыратуға болады.",
        "Запастағы солдаттарды, сержанттарды әскери есепке алу және одан шығару.",
    ],
)
def test_kazakh_with_loan_words_and_without_its_telling_letters(text: str) -> None:
    assert identify(text).main == "kk"


def test_karakalpak_typed_without_its_letters_is_told_by_the_whole_text() -> None:
    text = " ".join(NEIGHBOURS["kaa"]).translate(str.maketrans("ўҳЎҲ", "ухУХ"))
    assert identify(text).kk == 0


def test_a_document_speaks_for_its_doubtful_sentences() -> None:
    doubtful = "Барлық балалар қалада қалады."
    assert identify(f"{TEXTS['kk']} {doubtful}").kk == 1
    kyrgyz = " ".join([*NEIGHBOURS["ky"], "Бул ҳақда ҳәм ўзгача айтилди."])
    assert identify(f"{kyrgyz}\n{doubtful}").main == "ky"


def test_a_batch_says_what_each_text_alone_says() -> None:
    texts = [*TEXTS.values(), "", "Иә.", f"{TEXTS['kk']}\n{TEXTS['ru']}", *(s for g in NEIGHBOURS.values() for s in g)]
    assert identify_texts(scan_texts(texts)) == [identify(text) for text in texts]


def test_the_given_model_is_asked_in_the_place_of_the_second_detector() -> None:
    asked: list[str] = []

    def model(text: str) -> str:
        asked.append(text)
        return "xx"

    text = "Zzyzx qwrtp blorf gnarl thworp mlekh vorrin taskel umbrik"
    assert identify(text, model).main == "xx"
    assert asked == [text.lower()]
    assert identify(TEXTS["kk"], model).main == "kk"
    assert len(asked) == 1


def test_detectors_are_seldom_asked() -> None:
    labelled = label_pieces(scan_texts([f"{TEXTS['kk']}\n{TEXTS['ru']}\n{TEXTS['en']}"]))
    assert set(labelled.codes) == {"kk", "ru", "en", "und"}
    assert dict(labelled.asked) == {"pycld2": 0, "second": 0}


def test_shares_follow_the_letters_of_each_part() -> None:
    kazakh, russian = TEXTS["kk"], TEXTS["ru"]
    letters = [sum(c.isalpha() for c in part) for part in (kazakh, russian)]
    shares = identify(f"{kazakh}\n{russian}")
    assert shares.kk == pytest.approx(letters[0] / sum(letters))
    assert shares.ru == pytest.approx(letters[1] / sum(letters))
    assert shares.kk + shares.ru + shares.en + shares.other == pytest.approx(1)


def test_kazakh_names_do_not_make_a_russian_sentence_kazakh() -> None:
    assert identify("Он сказал, что Қасым Іргебай и его брат не были на этой встрече, но это не так").main == "ru"


def test_letters_flattened_to_russian_are_reported_not_guessed() -> None:
    flat = str.maketrans("әғқңөұүһі", "агкноууги")
    text = " ".join([TEXTS["kk"], "Олар өздерінің көршілерімен бірге жаңа жол туралы сөйлесіп, кейін үйлеріне қайтты."])
    assert identify(text).main == "kk"
    assert identify(text.translate(flat)).kk == 0


@pytest.mark.parametrize("text", ["", "12 345", "— … !", "Иә.", "\n\n"])
def test_nothing_to_tell_by(text: str) -> None:
    shares = identify(text)
    assert shares.main == "und"
    assert shares.detail == {}


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_parallel_sentences(language: str) -> None:
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "flores200" / "flores200_devtest_kk_ru_en.jsonl"
    rows = [json.loads(line)[language] for line in path.read_text(encoding="utf-8").splitlines()][:300]
    found = [shares.main for shares in identify_texts(scan_texts(rows))]
    assert found.count(language) / len(found) > 0.98
    wrong = {"kk", "ru", "en"} - {language}
    assert sum(code in wrong for code in found) <= 1


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs the real text that QAZ_CORPUS_DIR names")
def test_passages_of_an_encyclopaedia() -> None:
    path = Path(os.environ["QAZ_CORPUS_DIR"]) / "kazqad" / "kazqad_rc_validation.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        passages = sorted({json.loads(line)["context"] for line in lines})[:200]
    assert sum(identify(text).main == "kk" for text in passages) >= 198
