"""Notices: counted by kind and place, added up over parts, said in one line per kind."""

from qaz_llm.data.notices import Notices, lines_of


def test_counts_add_up_over_parts_and_places() -> None:
    one, other, whole = Notices(), Notices(), Notices()
    one.add("licence_not_understood", "web", 3)
    one.add("licence_not_understood", "books")
    other.add("licence_not_understood", "web", 2)
    other.add("encoding_recognised", "a.csv")
    other.add("encoding_recognised", "b.csv", 0)
    for part in (one, other):
        whole.update(part.to_list())
    assert whole.to_list() == [
        {"kind": "encoding_recognised", "where": "a.csv", "count": 1},
        {"kind": "licence_not_understood", "where": "web", "count": 5},
        {"kind": "licence_not_understood", "where": "books", "count": 1},
    ]


def test_lines_name_the_first_places_and_count_the_rest() -> None:
    notices = Notices()
    for number in range(5):
        notices.add("encoding_recognised", f"{number}.csv", 10)
    notices.add("a_new_kind", "here")
    assert lines_of(notices.to_list()) == [
        "a new kind: 1 (here)",
        "files read in an encoding that was recognised, not declared: 50 (0.csv; 1.csv; 2.csv; 2 more)",
    ]
