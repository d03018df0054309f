"""What swapping keeps: the size, the ids of all other tokens, every text of letters in use."""

from __future__ import annotations

import functools
import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.base import LLAMA3_PATTERN
from qaz_llm.tokenizer.extend import extend_tokenizer, learn_from_corpus
from qaz_llm.tokenizer.extension import ExtendedTokenizer
from qaz_llm.tokenizer.merges import append_merges
from qaz_llm.tokenizer.swap import PROTECTED_SCRIPTS, swappable_tokens, take_swappable

NEW_TOKENS = 60
ASIAN = (
    "中国的首都是北京。我们学习数学和历史。北京大学在北京。上海是一个大城市。",
    "日本の首都は東京です。私たちは数学を勉強します。東京は大きい町です。",
    "한국의 수도는 서울입니다. 우리는 수학을 공부합니다. 서울은 큰 도시입니다.",
    "กรุงเทพเป็นเมืองหลวงของประเทศไทย เราเรียนคณิตศาสตร์",
    "დედაქალაქი თბილისი არის დიდი ქალაქი",
    "दिल्ली भारत की राजधानी है। हम गणित पढ़ते हैं।",
    "السلام عليكم ورحمة الله وبركاته",
    "Το μῆκος είναι 5 µm ή 2 ℓ, 1ª και 2º",
)
KINDS = ("llama3", "byte_fallback", "holes")


def _byte_level() -> Tokenizer:
    split = pre_tokenizers.Split(Regex(LLAMA3_PATTERN), behavior="isolated")
    backend = Tokenizer(models.BPE(ignore_merges=True))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.decoder = decoders.ByteLevel()
    return backend


def _llama3(texts: list[str]) -> PreTrainedTokenizerFast:
    backend = _byte_level()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=1500, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(texts, trainer)
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in ("<|bos|>", "<|eot|>")])
    backend.add_tokens(["中文"])  # an ordinary added token: it has to stay
    made = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|bos|>", eos_token="<|eot|>")
    made.chat_template = "{% for m in messages %}{{ m['content'] }}<|eot|>{% endfor %}"
    return made


def _with_holes(texts: list[str]) -> PreTrainedTokenizerFast:
    spec = json.loads(_llama3(texts).backend_tokenizer.to_str())
    vocab = spec["model"]["vocab"] | {token["content"]: token["id"] for token in spec["added_tokens"]}
    spec["model"]["vocab"] = {token: index + (7 if index >= 700 else 0) for token, index in vocab.items()}
    for token in spec["added_tokens"]:
        token["id"] += 7
    backend = Tokenizer.from_str(json.dumps(spec))
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|bos|>", eos_token="<|eot|>")


def _byte_fallback(texts: list[str]) -> PreTrainedTokenizerFast:
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learner.pre_tokenizer = pre_tokenizers.Split(Regex("▁?[^▁]*"), "isolated")
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learner.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=1500, special_tokens=specials, show_progress=False)
    )
    model = json.loads(learner.to_str())["model"]
    return LlamaTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])


BUILDERS: dict[str, Callable[[list[str]], PreTrainedTokenizerFast]] = {
    "llama3": _llama3,
    "byte_fallback": _byte_fallback,
    "holes": _with_holes,
}


class Swapped:
    """A base that knows Asian scripts, extended with and without swapping, and loaded again from a folder."""

    def __init__(self, kind: str, folder: Path, used: tuple[str, ...], kazakh: tuple[str, ...]) -> None:
        self.byte_fallback = kind == "byte_fallback"
        self.base = BUILDERS[kind]([*used, *(text for text in ASIAN for _ in range(10))])
        self.used = (*used, *kazakh)
        self.swappable = swappable_tokens(self.base, self.used)
        learned = learn_from_corpus(self.base, kazakh, num_new_tokens=NEW_TOKENS)
        self.plain = append_merges(learned)
        self.swap = take_swappable(self.swappable, NEW_TOKENS)
        self.extended = append_merges(learned, swap=self.swap)
        self.extended.save(folder)
        self.reloaded = AutoTokenizer.from_pretrained(folder)
        self.loaded_extension = ExtendedTokenizer.load(folder)

    @functools.cached_property
    def letters_in_use(self) -> frozenset[str]:
        return frozenset("".join(self.used))


@pytest.fixture(scope="module", params=KINDS)
def swapped(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    kk_documents: tuple[str, ...],
    ru_documents: tuple[str, ...],
    en_documents: tuple[str, ...],
) -> Iterator[Swapped]:
    used = (*ru_documents[:15], *en_documents[:15])
    yield Swapped(request.param, tmp_path_factory.mktemp("swapped") / "x", used, kk_documents[:40])


def _ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _tokens(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    tokens: list[str] = tokenizer.convert_ids_to_tokens(_ids(tokenizer, text))
    return tokens


def _spec(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return spec


# ----------------------------------------------------------------------------------------------------- what stays as is


def test_the_vocabulary_keeps_its_size(swapped: Swapped) -> None:
    assert len(swapped.extended.tokenizer) == len(swapped.base) == len(swapped.reloaded)
    assert set(swapped.extended.tokenizer.get_vocab().values()) == set(swapped.base.get_vocab().values())
    assert swapped.extended.size == swapped.extended.base_size == max(swapped.base.get_vocab().values()) + 1
    assert swapped.extended.new_ids == swapped.extended.swapped_ids == tuple(sorted(swapped.swap.values()))


def test_every_other_token_keeps_its_id(swapped: Swapped) -> None:
    old = {token: index for token, index in swapped.base.get_vocab().items() if token not in swapped.swap}
    for tokenizer in (swapped.extended.tokenizer, swapped.reloaded):
        vocab = tokenizer.get_vocab()
        assert {token: vocab.get(token) for token in old} == old


def test_special_tokens_and_template_stay(swapped: Swapped) -> None:
    for tokenizer in (swapped.extended.tokenizer, swapped.reloaded):
        assert tokenizer.special_tokens_map == swapped.base.special_tokens_map
        assert tokenizer.all_special_ids == swapped.base.all_special_ids
        assert tokenizer.chat_template == swapped.base.chat_template
        assert {i: t.content for i, t in tokenizer.added_tokens_decoder.items()} == {
            i: t.content for i, t in swapped.base.added_tokens_decoder.items()
        }
        text = f"The{swapped.base.eos_token} end"
        assert tokenizer(text)["input_ids"] == swapped.base(text)["input_ids"]


def test_sub_tokens_are_ids_of_tokens_that_are_still_there(swapped: Swapped) -> None:
    gone = set(swapped.swap.values())
    assert all(gone.isdisjoint(old) for old in swapped.extended.sub_tokens.values())
    assert swapped.loaded_extension.sub_tokens == swapped.extended.sub_tokens
    assert swapped.loaded_extension.fingerprint == swapped.extended.fingerprint


# -------------------------------------------------------------------------------------------------------- what goes


def test_swapped_tokens_are_gone_and_no_merge_names_them(swapped: Swapped) -> None:
    for tokenizer in (swapped.extended.tokenizer, swapped.reloaded):
        spec = _spec(tokenizer)
        assert swapped.swap.keys().isdisjoint(spec["model"]["vocab"])
        for left, right in spec["model"]["merges"]:
            assert swapped.swap.keys().isdisjoint({left, right, left + right})
            assert {left, right, left + right} <= spec["model"]["vocab"].keys()


def test_the_last_ids_go_first(swapped: Swapped) -> None:
    kept = set(swapped.swappable.values()) - set(swapped.swap.values())
    assert kept and max(kept) < min(swapped.swap.values())


def test_what_may_go_holds_a_letter_of_a_script_that_is_neither_protected_nor_in_use(swapped: Swapped) -> None:
    """Measured on what the token decodes to, by the tokenizer's own decoder."""
    special = {*swapped.base.all_special_tokens, *swapped.base.get_added_vocab()}
    assert len(swapped.swappable) > NEW_TOKENS
    for token in swapped.swappable:
        assert token not in special
        text = swapped.base.convert_tokens_to_string([token])
        assert "\ufffd" not in text
        foreign = [
            char
            for char in text
            if char.isalpha()
            and char not in swapped.letters_in_use
            and not unicodedata.name(char).startswith(PROTECTED_SCRIPTS)
        ]
        assert foreign, f"{text!r} would be missed"
    found = {swapped.base.convert_tokens_to_string([token]).strip() for token in swapped.swappable}
    assert {"北京"} <= found if not swapped.byte_fallback else {"北", "京"} <= found
    assert not found & {"µ", "µm", "ª", "º", "ℓ", "السلام", "μ"}


def test_a_script_that_a_text_uses_stays(swapped: Swapped) -> None:
    with_korean = swappable_tokens(swapped.base, [*swapped.used, *ASIAN])
    assert with_korean == {}
    korean = swappable_tokens(swapped.base, [*swapped.used, ASIAN[2]])
    assert korean.keys() < swapped.swappable.keys()
    texts = [swapped.base.convert_tokens_to_string([token]) for token in korean]
    assert not any("서" in text and "울" in text for text in texts)


def test_too_few_name_the_number_there_is(swapped: Swapped) -> None:
    most = len(swapped.swappable)
    with pytest.raises(InputError, match=rf"(?s){most:,} tokens .* at most {most}, or"):
        take_swappable(swapped.swappable, most + 1)
    assert take_swappable(swapped.swappable, most) == swapped.swappable
    assert take_swappable(swapped.swappable, 0) == {}


# ------------------------------------------------------------------------------------------------------------ guarantees

scripts = (
    "ABCabc xyz éüßñ",
    "ҚАЗАҚ қазақ тілі өң үй ӘІҰҺ русский ЁЩ",
    "αβγ Ωμῆ",
    "السلام قازاق ۋە ڭ",
    "中国北京上海東京日本",
    "서울한국수학",
    "ไทยกรุงเทพ",
    "დიდი",
    "दिल्ली",
)
any_text = st.lists(
    st.one_of(
        *(st.text(alphabet=script, max_size=10) for script in scripts),
        st.sampled_from(["中文", "北京大学", "서울은", " 한국의", "กรุงเทพ", "😀", "👩‍👩‍👧", "🇰🇿", "한", "e\u0301"]),
        st.text(alphabet="0123456789 .,!?«»“”’…—\n\t", max_size=8),
        st.text(max_size=8),
    ),
    max_size=10,
).map("".join)
protected_text = st.lists(
    st.one_of(
        *(st.text(alphabet=script, max_size=12) for script in scripts[:4]),
        st.text(alphabet=st.characters(max_codepoint=0x6FF, categories=("L", "N", "P", "S", "Zs")), max_size=12).filter(
            lambda text: all(
                not char.isalpha() or unicodedata.name(char).startswith(PROTECTED_SCRIPTS) for char in text
            )
        ),
        st.sampled_from(["😀", "👩‍👩‍👧", "🇰🇿", "“it’s”", "→ ✓ €", "5 µm", "1ª 2º", "ℓ", "ʼ", "ﬁ", "Ａ", "e\u0301"]),
    ),
    max_size=10,
).map(" ".join)
many = settings(max_examples=150, deadline=None)


@many
@given(text=any_text)
def test_any_text_comes_back(swapped: Swapped, text: str) -> None:
    ids = _ids(swapped.extended.tokenizer, text)
    back = swapped.extended.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert back == swapped.base.decode(_ids(swapped.base, text), clean_up_tokenization_spaces=False)
    if not swapped.byte_fallback:
        assert back == text
    assert _ids(swapped.reloaded, text) == ids


@many
@given(text=protected_text)
def test_texts_of_protected_letters_are_cut_as_without_swapping_and_never_longer(swapped: Swapped, text: str) -> None:
    tokens = _tokens(swapped.extended.tokenizer, text)
    assert tokens == _tokens(swapped.plain.tokenizer, text)
    assert len(tokens) <= len(_ids(swapped.base, text))


def test_texts_that_were_measured_are_cut_as_without_swapping(swapped: Swapped) -> None:
    for text in swapped.used:
        tokens = _tokens(swapped.extended.tokenizer, text)
        assert tokens == _tokens(swapped.plain.tokenizer, text)
        assert len(tokens) <= len(_ids(swapped.base, text))


def test_english_keeps_its_ids(swapped: Swapped, en_documents: tuple[str, ...]) -> None:
    for text in en_documents:
        assert _ids(swapped.extended.tokenizer, text) == _ids(swapped.base, text)


def test_a_measured_foreign_letter_is_cut_as_before(kk_documents: tuple[str, ...]) -> None:
    """Only texts that hold 서, 울 or 은 were measured; 서울은 keeps its tokens, 도시 may not."""
    base = _llama3([*kk_documents[:20], *(text for text in ASIAN for _ in range(10))])
    swappable = swappable_tokens(base, [*kk_documents, "서울은"])
    extended = append_merges(learn_from_corpus(base, kk_documents, num_new_tokens=40), swap=swappable)
    assert _ids(extended.tokenizer, "서울은 서울") == _ids(base, "서울은 서울")
    assert len(_ids(extended.tokenizer, "도시")) > len(_ids(base, "도시"))
    assert extended.tokenizer.decode(_ids(extended.tokenizer, "도시")) == "도시"


def test_a_base_that_folds_letters_keeps_the_folded_ones(kk_documents: tuple[str, ...]) -> None:
    base = _llama3([unicodedata.normalize("NFKC", text) for text in ASIAN for _ in range(10)])
    base.backend_tokenizer.normalizer = normalizers.NFKC()
    half_width = "ﾀﾁﾂ ｶﾅ"  # NFKC folds these to タチツ カナ
    other = swappable_tokens(base, kk_documents[:3])
    kept = swappable_tokens(base, [*kk_documents[:3], half_width, *ASIAN[1:2]])
    assert not any(set(base.convert_tokens_to_string([token])) <= set("タチツカナです ") for token in kept)
    assert kept.keys() <= other.keys()


def test_an_extension_with_swapped_ids_can_be_extended_again(swapped: Swapped, kk_documents: tuple[str, ...]) -> None:
    twice = extend_tokenizer(swapped.extended.tokenizer, kk_documents, num_new_tokens=NEW_TOKENS + 20)
    assert min(twice.new_ids) == swapped.extended.base_size
    for text in kk_documents[:10]:
        ids = _ids(twice.tokenizer, text)
        assert len(ids) <= len(_ids(swapped.extended.tokenizer, text))
        assert twice.tokenizer.decode(ids) == text
