"""The Latin alphabets of Kazakh as tables. Side by side, with their sources: docs/scripts.md.

latin-2021        Būl kıtap öte qyzyq, jäne     January 2021, the current draft; 31 letters
latin-2019        Bul kitap öte qyzyq, jäne     draft of November 2019
latin-2018        Bul kitap óte qyzyq, jáne     decree No. 637 of 19 February 2018 (acutes, sh, ch)
latin-2017        Bul kitap o'te qyzyq, ja'ne   decree No. 569 of 26 October 2017 (apostrophes)
latin-wikipedia   Bul kitap öte qızıq, onıñ jaýı  the Latin Kazakh of Wikipedia and MediaWiki: й is ý, е after a vowel ye
latin-kazinform   Bul kitap öte qızıq, onıñ jayı  the same with y for й, as KazInform and most people wrote it
latin-common      Būl kitap öte qızıq, jəne     the common Turkic alphabet of September 2024; 34 letters
latin-yanalif     Bul kitap ɵte qьzьq, çəne     1929–40

Tables are in lower case; `*` stands for the letter that is both и and й.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class LatinAlphabet:
    """A Latin alphabet of Kazakh: letters and digraphs to Cyrillic."""

    name: str
    letters: Mapping[str, str]
    own: str
    """Letters beyond a to z that Kazakh words in this alphabet have at every turn."""
    capitals: Mapping[str, str]
    """Small letters of the capitals I and İ."""
    apostrophes: bool = False
    exact: bool = False
    """Whether every Cyrillic letter but ь and ъ has its own spelling, so that no rule is needed after the letters."""
    has_signs: bool = False
    """Whether ь and ъ are written too, so that not even listed stems are needed."""
    kazakh_alone: bool = False
    """Whether no neighbour writes in an alphabet near this one; that of 2018 is near Karakalpak, that of 2017 near Uzbek, those with ı for ы near
    Karakalpak, Tatar, Bashkir and Kyrgyz."""
    proof: str = ""
    """Letters that no other language has together."""

    def proves(self, text: str) -> bool:
        """Whether the letters of a text alone say that it is in this alphabet."""
        return bool(self.proof) and all(letter in text for letter in self.proof)

    def lower(self, text: str) -> str:
        """The text in small letters of this alphabet: I is ı in one and i in another."""
        return (text.translate(self._capitals) if "I" in text or "İ" in text else text).lower()

    @property
    def merges_i(self) -> bool:
        """Whether и and й are one letter here; only the alphabet of Wikipedia and its kin tell them apart."""
        return "*" in self.letters.values()

    @cached_property
    def _capitals(self) -> Mapping[int, str]:
        return {ord(capital): small for capital, small in self.capitals.items()}

    @cached_property
    def characters(self) -> frozenset[str]:
        """Every character that a word in this alphabet may have."""
        return frozenset("".join(self.letters))


_SHARED = "ș=ш ǧ=ғ a=а b=б d=д e=е f=ф g=г j=ж k=к l=л m=м n=н o=о p=п q=қ r=р s=с t=т v=в z=з "
_DOTTED = {"I": "ı", "İ": "i"}
_UNDOTTED = {"I": "i", "İ": "i"}
_FULL = "ya=я yu=ю yw=ю yo=ё ywa=йуа"
"""я, ю and ё where й has a letter of its own or is y."""


def _alphabet(
    name: str,
    pairs: str,
    *,
    own: str,
    capitals: Mapping[str, str] = _DOTTED,
    apostrophes: bool = False,
    exact: bool = False,
    has_signs: bool = False,
    kazakh_alone: bool = False,
    proof: str = "",
) -> LatinAlphabet:
    letters = dict(pair.split("=") for pair in (_SHARED + pairs).split())
    return LatinAlphabet(name, letters, own, capitals, apostrophes, exact, has_signs, kazakh_alone, proof)


LATIN_ALPHABETS: tuple[LatinAlphabet, ...] = (
    _alphabet(
        "latin-2021",
        "ä=ә ç=ч ch=ч ğ=ғ ñ=ң ŋ=ң ö=ө ş=ш ü=ү ū=ұ u=у y=ы h=х ı=і i=*",
        proof="ūğıq",
        kazakh_alone=True,
        own="äğñŋöşüūı",
    ),
    _alphabet(
        "latin-wikipedia",
        f"ä=ә ç=ч ğ=ғ ñ=ң ö=ө ş=ш ü=ү u=ұ w=у x=х h=һ ï=и ý=й y=й c=ц é=э ı=ы i=і ʺ=ъ ʹ=ь şç=щ ye=е ïya=ия ïyu=ию {_FULL}",
        exact=True,
        has_signs=True,
        proof="ïğıwqý",
        own="äğñöşüıïý",
    ),
    _alphabet(
        "latin-kazinform",
        f"ä=ә ç=ч ğ=ғ ñ=ң ö=ө ş=ш ü=ү u=ұ w=у x=х h=һ ï=и y=й c=ц é=э ı=ы i=і ʺ=ъ ʹ=ь şç=щ şş=щ ayev=аев ïya=ия ïyu=ию {_FULL} yo=йо",
        exact=True,
        proof="ïğıwq",
        own="äğñöşüıï",
    ),
    _alphabet(
        "latin-2018",
        "á=ә ǵ=ғ ń=ң ó=ө ú=ү ý=у u=ұ y=ы h=х sh=ш ch=ч ı=* i=і",
        capitals=_UNDOTTED,
        proof="ýńq",
        own="áǵńóúýı",
    ),
    _alphabet(
        "latin-2019",
        "ä=ә ç=ч ch=ч ğ=ғ ŋ=ң ñ=ң ö=ө ş=ш ü=ү u=ұ w=у y=ы h=х ı=* i=і",
        kazakh_alone=True,
        own="äğŋñöşüı",
    ),
    _alphabet(
        "latin-2017",
        "a'=ә g'=ғ i'=* n'=ң o'=ө u'=ү s'=ш c'=ч y'=у u=ұ y=ы h=х i=і",
        capitals=_UNDOTTED,
        apostrophes=True,
        own="'",
    ),
    _alphabet(
        "latin-common",
        f"ə=ә ä=ә ç=ч ğ=ғ ñ=ң ö=ө ş=ш ü=ү ū=ұ u=у x=х h=һ y=й ı=ы i=і ïy=и ï=и c=ц şş=щ {_FULL}",
        proof="ūğıq",
        own="əäğñöşüūı",
    ),
    _alphabet(
        "latin-yanalif",
        "ʙ=б c=ш ç=ж ƶ=ж ə=ә ƣ=ғ ꞑ=ң ŋ=ң ņ=ң ɵ=ө u=ұ v=у w=у y=ү j=й ь=ы h=х x=х ş=ш ij=и ov=ов uv=у yv=у uw=у yw=у i=і",
        capitals=_UNDOTTED,
        own="ʙəƣꞑŋņɵьƶç",
    ),
)


def alphabet_named(name: str) -> LatinAlphabet:
    """Raises StopIteration for a name that no alphabet here has."""
    return next(alphabet for alphabet in LATIN_ALPHABETS if alphabet.name == name)


def one_apostrophe(text: str) -> str:
    """The text as the tables spell it: one kind of apostrophe, i with a separate dot as i."""
    return text.replace("’", "'").replace("ʼ", "'").replace("i\u0307", "i")
