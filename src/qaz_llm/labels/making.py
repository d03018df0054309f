"""A label behind a text: what was written by a model, said by whoever runs it, in characters that are not seen.

    label("Сәлем!", keys, model="qaz-8b")     "Сәлем!" + U+FEFF + some 1,800 selectors, about 7 kB

The label holds a signed statement (a C2PA manifest): a trained model made this text, at this time, and its SHA-256 in NFC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qaz_llm import __version__
from qaz_llm.errors import InputError
from qaz_llm.labels.library import need_label_libraries
from qaz_llm.labels.names import check_name
from qaz_llm.language.selectors import MARK, has_label

if TYPE_CHECKING:
    from c2patxt import Signer

    from qaz_llm.labels.keys import LabelKeys

MEDIA_TYPE = "text/plain"
"""A.8 is for unstructured text; a page of HTML has a place for labels of its own (A.7)."""


class Labeller:
    """Signs texts with one key. It may be used by many threads.

    Raises InputError where the model's name is too long or has characters that are not seen.
    """

    def __init__(self, keys: LabelKeys, *, model: str | None = None) -> None:
        need_label_libraries()
        from c2patxt import Disclosure, ModelType, Signer

        self._signer: Signer = Signer(private_key=keys.key, certificates=(keys.leaf,))
        self._disclosure = Disclosure(
            MEDIA_TYPE, ModelType.GENERIC, model_name=check_name(model, "--model") if model else None
        )

    def label(self, text: str) -> str:
        """The text in NFC with a label behind it.

        Raises InputError where it has a label already, where it is no text, or where the certificate has ended.
        """
        from c2patxt import C2paTextError, EmbedContext, embed

        if has_label(text):
            raise InputError(
                "the text has a label in it already; a second one would say of another's text that it is ours",
                hint="see what it is: qaz verify FILE",
            )
        context = EmbedContext(generator_name="qaz-llm", generator_version=__version__)
        try:
            return embed(text, self._signer, self._disclosure, context=context)
        except (C2paTextError, ValueError) as error:
            raise InputError(f"the text cannot be labelled: {error}") from error

    def label_of(self, text: str) -> str:
        """The label alone, for a text in NFC that has been sent already. Raises as `label`."""
        labelled = self.label(text)
        return labelled[labelled.rindex(MARK) :]
