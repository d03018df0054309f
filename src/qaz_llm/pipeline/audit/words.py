"""The words of the index, in Kazakh, Russian and English: one Words for each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qaz_llm.records import Language


@dataclass(frozen=True)
class Words:
    """`parts` and `missing` by the names of parts.py: what a part is, and what its absence means."""

    title: str
    no_certificate: str
    contents: str
    contents_head: tuple[str, str]
    parts: Mapping[str, str]
    missing: Mapping[str, str]
    is_missing: str
    data: str
    data_head: tuple[str, str, str, str, str]
    dropped: str
    personal: str
    personal_note: str
    decontamination: str
    hits_head: tuple[str, str, str]
    opt_outs: str
    opt_outs_rows: tuple[str, str, str]
    """Entries of lists, rows left out, rows without an address."""
    opt_outs_missing: str
    evaluation: str
    evaluation_head: tuple[str, str, str, str, str]
    energy: str
    energy_text: str
    check: str
    check_text: str
    replaced: str
    forms: str
    forms_text: str
    count_head: tuple[str, str]


ENGLISH = Words(
    title="Audit folder",
    no_certificate=(
        "Nothing in this folder is a certificate of compliance with law 230-VIII or any other act. It gathers what a run "
        "recorded about itself; nobody outside has checked it. Classing risk and autonomy, and answering for prohibited "
        "functions, is the owner's (art. 17), and so is what is read from these figures."
    ),
    contents="What is here, and what is not",
    contents_head=("part", "files"),
    parts={
        "data_card": "Data cards",
        "manifest": "Data libraries: metadata",
        "ledger": "Licence ledger",
        "model_card": "Model card and settings",
        "evaluation": "Evaluation with intervals",
        "comparison": "Before and after",
        "configs": "Configs",
        "versions": "Versions and commit",
        "stages": "Stages with hashes",
        "weights": "Hashes of the model's files",
        "energy": "Energy, estimated",
        "sbom": "Packages (SBOM)",
        "label_root": "Public root of labels",
        "signature": "Signature",
    },
    missing={
        "data_card": "no data card: what the data are is not described",
        "manifest": "no data manifest: sources, counts, drops and personal data are not known",
        "ledger": "no licence ledger: by what right the texts are used is not known",
        "model_card": "no model: the run has not made one yet",
        "evaluation": "no evaluation: how good the model is was not measured",
        "comparison": "no comparison: what the training changed is not known",
        "configs": "no config: how the run was set is not known",
        "versions": "no run.json: with which packages it was made is not known",
        "stages": "no stage manifests: a training alone, or the run did not get that far",
        "weights": "no model, so no hashes",
        "energy": "no times, so no estimate",
        "sbom": "not made: the extra `audit` is not installed (`qaz doctor` says what to type)",
        "label_root": "none given (--label-root): what the model writes cannot be checked with this folder",
        "signature": "not signed (--sign): hashes show damage, but not who made the folder",
    },
    is_missing="MISSING",
    data="Data libraries",
    data_head=("source", "licence", "read", "kept", "dropped"),
    dropped="Dropped, by reason",
    personal="Personal data found and replaced, by kind",
    personal_note="Counts are of what the filters know; that nothing else is left cannot be shown by them.",
    decontamination="Texts of evaluation compared with, and items found in the data",
    hits_head=("file", "items", "found"),
    opt_outs="Works closed to training by their holders (art. 23)",
    opt_outs_rows=("entries of the lists", "rows left out", "rows without an address, which no list can reach"),
    opt_outs_missing="Opt-outs: the build was given no list and no field of works closed to training (art. 23). The owner shows how they were kept out.",
    evaluation="Evaluation",
    evaluation_head=("task", "language", "items", "score", "measure"),
    energy="Energy",
    energy_text="{hours:.3g} device hours × {watts:g} W ({how}) = {kwh:.3g} kWh, on {device}. An estimate: nothing was measured, and cooling is not in it.",
    check="How to check this folder",
    check_text="SHA256SUMS holds the hash of every file; the two commands below compare them and the signature. The key is trusted by what its owner says elsewhere, not by this folder.",
    replaced="Replaced in the files, so that they tell of no machine and no person: {counts}.",
    forms="To be filled in by the owner",
    forms_text="Risk, autonomy, prohibited functions, right to the data, what users are told.",
    count_head=("what", "number"),
)

RUSSIAN = Words(
    title="Папка для аудита",
    no_certificate=(
        "Ничто в этой папке не подтверждает соответствия Закону № 230-VIII или другому акту. Здесь собрано то, что запуск записал "
        "о себе сам; никто со стороны этого не проверял. Степень риска и автономности определяет владелец, он же отвечает за "
        "отсутствие запрещённых функций (ст. 17) и за выводы из этих цифр."
    ),
    contents="Что здесь есть и чего нет",
    contents_head=("часть", "файлы"),
    parts={
        "data_card": "Карточки данных",
        "manifest": "Библиотеки данных: метаданные",
        "ledger": "Реестр лицензий",
        "model_card": "Карточка и настройки модели",
        "evaluation": "Оценка с интервалами",
        "comparison": "До и после",
        "configs": "Конфигурации",
        "versions": "Версии и коммит",
        "stages": "Этапы с хешами",
        "weights": "Хеши файлов модели",
        "energy": "Энергия, приблизительно",
        "sbom": "Пакеты (SBOM)",
        "label_root": "Открытый корень маркировки",
        "signature": "Подпись",
    },
    missing={
        "data_card": "карточки данных нет: данные не описаны",
        "manifest": "манифеста данных нет: источники, количества, отсев и персональные данные неизвестны",
        "ledger": "реестра лицензий нет: неизвестно, на каком основании используются тексты",
        "model_card": "модели нет: запуск её ещё не сделал",
        "evaluation": "оценки нет: качество модели не измерено",
        "comparison": "сравнения нет: неизвестно, что изменило обучение",
        "configs": "конфигурации нет: неизвестно, как был настроен запуск",
        "versions": "нет run.json: неизвестно, какими пакетами это сделано",
        "stages": "манифестов этапов нет: это одно обучение или запуск до них не дошёл",
        "weights": "модели нет, поэтому нет и хешей",
        "energy": "времени нет, поэтому нет и оценки",
        "sbom": "не сделан: не установлен набор `audit` (что набрать, скажет `qaz doctor`)",
        "label_root": "не указан (--label-root): по этой папке нельзя проверить маркировку текстов модели",
        "signature": "не подписано (--sign): хеши покажут повреждение, но не того, кто сделал папку",
    },
    is_missing="НЕТ",
    data="Библиотеки данных",
    data_head=("источник", "лицензия", "прочитано", "оставлено", "отсеяно"),
    dropped="Отсеяно, по причинам",
    personal="Персональные данные, найденные и заменённые, по видам",
    personal_note="Посчитано то, что знают фильтры; что больше ничего не осталось, они показать не могут.",
    decontamination="С какими текстами оценки сравнивали и сколько заданий нашли в данных",
    hits_head=("файл", "заданий", "найдено"),
    opt_outs="Произведения, закрытые правообладателями для обучения (ст. 23)",
    opt_outs_rows=("записей в списках", "строк исключено", "строк без адреса: со списками их не сверить"),
    opt_outs_missing="Отказы правообладателей: сборке не задали ни списка, ни поля с закрытыми для обучения произведениями (ст. 23). Как они исключены, показывает владелец.",
    evaluation="Оценка",
    evaluation_head=("задача", "язык", "заданий", "результат", "мера"),
    energy="Энергия",
    energy_text="{hours:.3g} ч работы устройств × {watts:g} Вт ({how}) = {kwh:.3g} кВт·ч, {device}. Это приблизительный расчёт: ничего не измерено, охлаждение не учтено.",
    check="Как проверить эту папку",
    check_text="В SHA256SUMS — хеш каждого файла; две команды ниже сверяют хеши и подпись. Ключу верят по тому, что его владелец сообщил в другом месте, а не по этой папке.",
    replaced="Заменено в файлах, чтобы они не говорили о машинах и людях: {counts}.",
    forms="Заполняет владелец",
    forms_text="Риск, автономность, запрещённые функции, право на данные, что сообщают пользователям.",
    count_head=("что", "число"),
)

KAZAKH = Words(
    title="Аудитке арналған қалта",
    no_certificate=(
        "Бұл қалтадағы ештеңе № 230-VIII Заңға немесе басқа актіге сәйкестікті растамайды. Мұнда іске қосудың өзі туралы "
        "жазып қалдырғаны жиналған; оны сырттан ешкім тексерген жоқ. Тәуекел мен дербестік деңгейін иесі белгілейді, тыйым "
        "салынған функциялардың жоқтығына (17-бап) және осы сандардан шығатын қорытындыға да иесі жауап береді."
    ),
    contents="Мұнда не бар және не жоқ",
    contents_head=("бөлігі", "файлдар"),
    parts={
        "data_card": "Деректер карточкалары",
        "manifest": "Деректер кітапханалары: метадеректер",
        "ledger": "Лицензиялар тізілімі",
        "model_card": "Модельдің карточкасы мен баптаулары",
        "evaluation": "Аралықтарымен бағалау",
        "comparison": "Дейін және кейін",
        "configs": "Баптаулар",
        "versions": "Нұсқалар және коммит",
        "stages": "Кезеңдер хештерімен",
        "weights": "Модель файлдарының хештері",
        "energy": "Энергия, шамамен",
        "sbom": "Пакеттер (SBOM)",
        "label_root": "Таңбалаудың ашық түбірі",
        "signature": "Қолтаңба",
    },
    missing={
        "data_card": "деректер карточкасы жоқ: деректер сипатталмаған",
        "manifest": "деректер манифесі жоқ: көздер, сандар, шығарылғандар және дербес деректер белгісіз",
        "ledger": "лицензиялар тізілімі жоқ: мәтіндердің қандай негізде қолданылатыны белгісіз",
        "model_card": "модель жоқ: іске қосу оны әлі жасаған жоқ",
        "evaluation": "бағалау жоқ: модельдің сапасы өлшенбеген",
        "comparison": "салыстыру жоқ: оқыту нені өзгерткені белгісіз",
        "configs": "баптау файлы жоқ: іске қосу қалай бапталғаны белгісіз",
        "versions": "run.json жоқ: қандай пакеттермен жасалғаны белгісіз",
        "stages": "кезеңдердің манифестері жоқ: бұл жеке оқыту немесе іске қосу оған жетпеген",
        "weights": "модель жоқ, сондықтан хештер де жоқ",
        "energy": "уақыт жазылмаған, сондықтан есеп те жоқ",
        "sbom": "жасалмады: `audit` жинағы орнатылмаған (не теру керегін `qaz doctor` айтады)",
        "label_root": "көрсетілмеген (--label-root): модель жазған мәтіннің таңбасын осы қалтамен тексеру мүмкін емес",
        "signature": "қол қойылмаған (--sign): хештер бүлінуді көрсетеді, бірақ қалтаны кім жасағанын көрсетпейді",
    },
    is_missing="ЖОҚ",
    data="Деректер кітапханалары",
    data_head=("көзі", "лицензиясы", "оқылды", "қалды", "шығарылды"),
    dropped="Шығарылғандар, себептері бойынша",
    personal="Табылып, ауыстырылған дербес деректер, түрлері бойынша",
    personal_note="Сүзгілер білетіні ғана саналған; басқа ештеңе қалмағанын олар көрсете алмайды.",
    decontamination="Бағалаудың қандай мәтіндерімен салыстырылды және деректерден қанша тапсырма табылды",
    hits_head=("файл", "тапсырма", "табылды"),
    opt_outs="Құқық иелері оқытуға жапқан туындылар (23-бап)",
    opt_outs_rows=(
        "тізімдердегі жазбалар",
        "шығарылған жолдар",
        "мекенжайы жоқ жолдар: тізіммен салыстыру мүмкін емес",
    ),
    opt_outs_missing="Құқық иелерінің бас тартуы: жинаққа оқытуға жабық туындылардың тізімі де, өрісі де берілмеген (23-бап). Олардың қалай шығарылғанын иесі көрсетеді.",
    evaluation="Бағалау",
    evaluation_head=("тапсырма", "тіл", "саны", "нәтиже", "өлшем"),
    energy="Энергия",
    energy_text="Құрылғылардың {hours:.3g} сағат жұмысы × {watts:g} Вт ({how}) = {kwh:.3g} кВт·сағ, {device}. Бұл шамамен есептелген: ештеңе өлшенбеді, салқындату қосылмаған.",
    check="Бұл қалтаны қалай тексеруге болады",
    check_text="SHA256SUMS файлында әр файлдың хеші бар; төмендегі екі команда хештер мен қолтаңбаны салыстырады. Кілтке осы қалтаға емес, иесінің басқа жерде айтқанына қарап сенеді.",
    replaced="Файлдар машиналар мен адамдар туралы ештеңе айтпауы үшін ауыстырылды: {counts}.",
    forms="Иесі толтырады",
    forms_text="Тәуекел, дербестік, тыйым салынған функциялар, деректерге құқық, пайдаланушыларға не айтылады.",
    count_head=("не", "саны"),
)

ALL: Mapping[Language, Words] = {"kk": KAZAKH, "ru": RUSSIAN, "en": ENGLISH}
"""By language, in the order of the index."""
