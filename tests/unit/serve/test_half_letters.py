"""An answer that its limit cuts inside a letter, as the bytes it was made of and as an engine decodes them."""

from __future__ import annotations

import pytest
from served import Start


@pytest.mark.parametrize(("finish", "text"), [("length", "Сәлем, "), ("stop", "Сәлем, \ufffd\ufffd")])
def test_no_half_letter_ends_an_answer_that_was_cut_off(start: Start, finish: str, text: str) -> None:
    with start(labelled=False) as service:
        service.engine.pieces, service.engine.finish = ("Сәлем", ", \ufffd", "\ufffd"), finish
        whole = service.chat().choices[0]
        streamed, pieces = service.text_of()
        assert (whole.message.content, streamed) == (text, text)
        assert whole.finish_reason == finish
        assert [p.choices[0].finish_reason for p in pieces if p.choices][-1] == finish
        service.engine.pieces = ("a\ufffd", "b")  # in the midst of it it is what the model wrote
        assert (service.chat().choices[0].message.content, service.text_of()[0]) == ("a\ufffdb", "a\ufffdb")
