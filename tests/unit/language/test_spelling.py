import pytest

from qaz_llm.language.spelling import respell_after_stems, respell_lines


@pytest.mark.parametrize(
    ("converted", "spelled"),
    [
        # и or й
        ("қо*ан б*ік а*у касп** *ағни у*к*педи*а", "қоян биік аю каспий яғни уикипедия"),
        ("х*м*а х*м**а", "химия химия"),
        ("ха*уан а*уан", "хайуан айуан"),
        ("*асау* *гіл*к", "ясауи игілик"),
        # ция, but пенсия
        ("конституси*а пенси*а анастаси*а", "конституция пенсия анастасия"),
        # ts
        ("тс*рк кварт*с абзатс етсін айтса", "цирк квартис абзац етсін айтса"),
        # һ
        ("гаухар жихаз шахар хәм хат", "гауһар жиһаз шаһар һәм хат"),
        # э
        ("економ*ка електр ел ер енерг*а есеп", "экономика электр ел ер энергия есеп"),
    ],
)
def test_rules(converted: str, spelled: str) -> None:
    assert respell_lines(converted.replace(" ", "\n")).split("\n") == spelled.split()


def test_soft_consonants_only_where_asked() -> None:
    assert respell_lines("отрәд\nгоризонтәл\nкүнә") == "отряд\nгоризонталь\nкүнә"
    assert respell_lines("отрәд", soft=False) == "отрәд"


def test_a_stem_is_never_respelled_and_tells_what_follows() -> None:
    assert respell_after_stems([("материал", "*"), ("кино", "*"), ("", "қо*")]) == ["материали", "киной", "қой"]
    assert respell_after_stems([]) == []
