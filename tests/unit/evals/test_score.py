"""Log-likelihood and greedy answers against the plain way: one text at a time, unbatched, the whole softmax."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from qaz_llm.errors import InputError, WorkError
from qaz_llm.evals.answers.limits import cut_to_bytes, finish
from qaz_llm.evals.scoring.encoding import encode_requests
from qaz_llm.evals.scoring.local import HFScorer, choose_device
from qaz_llm.evals.scoring.rows import windows
from qaz_llm.records import Generated, Request

TOLERANCE = 1e-4
REQUESTS = (
    Request("Сұрақ: Ертіс өзені қай өзенге құяды?\nЖауабы:", " Обь"),
    Request("Сұрақ: Ертіс өзені қай өзенге құяды?\nЖауабы:", " Солтүстік Мұзды мұхитқа"),
    Request("Вопрос: В какую реку впадает Иртыш?\nОтвет:", " в Обь"),
    Request("Question: Which river does it join?\nAnswer:", " A"),
    Request("Question: Which river does it join?\nAnswer:", " B"),
    Request("Question: Which river does it join?\nAnswer:", " Z"),
    Request("", "Дыбыс суда ауадағыдан төрт еседен астам жылдам таралады."),
    Request("", "A"),
    Request("Қазақ", "станның оңтүстігінде"),
    Request("Кітапханағ", "а жазылу"),
    Request("Ол «😀", "» деді"),
    Request("Бос", ""),
)


def plain_ids(tokenizer: PreTrainedTokenizerFast, request: Request) -> tuple[list[int], int]:
    """Start token and text, and the place of the first token that reaches into the continuation.

    The place is found by counting bytes: a token of a byte-level vocabulary has one character for each byte it holds.
    """
    ids = tokenizer.backend_tokenizer.encode(request.context + request.continuation, add_special_tokens=False).ids
    border, seen, first = len(request.context.encode()), 0, len(ids)
    for n, token in enumerate(ids):
        seen += len(tokenizer.convert_ids_to_tokens(token))
        if seen > border:
            first = n
            break
    assert seen <= len((request.context + request.continuation).encode())
    return [tokenizer.bos_token_id, *ids], first + 1


def plain_logprob(model: LlamaForCausalLM, ids: Sequence[int], first: int) -> float:
    if first >= len(ids):
        return 0.0
    with torch.no_grad():
        logprobs_LV = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), dim=-1)
    return sum(float(logprobs_LV[n - 1, ids[n]]) for n in range(first, len(ids)))


def plain_greedy(model: LlamaForCausalLM, ids: Sequence[int], steps: int) -> list[int]:
    """The most likely next token, again and again, the whole text read anew each time."""
    made = list(ids)
    for _ in range(steps):
        with torch.no_grad():
            made.append(int(model(torch.tensor([made])).logits[0, -1].argmax()))
    return made[len(ids) :]


# ----------------------------------------------------------------------------------------------------- log-likelihood


@pytest.mark.parametrize("batch_tokens", [64, 300, 8192])
def test_scores_are_those_of_each_text_alone(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, batch_tokens: int
) -> None:
    scored = HFScorer(model, tokenizer, batch_tokens=batch_tokens).loglikelihood(REQUESTS)
    for request, found in zip(REQUESTS, scored, strict=True):
        ids, first = plain_ids(tokenizer, request)
        assert found.logprob == pytest.approx(plain_logprob(model, ids, first), abs=TOLERANCE), request
        assert found.num_tokens == len(ids) - first
        assert found.num_bytes == len(request.continuation.encode("utf-8"))


def test_padding_and_company_have_no_effect(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    scorer = HFScorer(model, tokenizer)
    together = scorer.loglikelihood(REQUESTS)
    alone = [scorer.loglikelihood([request])[0] for request in REQUESTS]
    backwards = scorer.loglikelihood(REQUESTS[::-1])[::-1]
    for a, b, c in zip(together, alone, backwards, strict=True):
        assert a.logprob == pytest.approx(b.logprob, abs=TOLERANCE) == c.logprob
    assert scorer.loglikelihood([]) == []


def test_a_token_across_the_join_is_scored(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Cut every letter of a word in turn: where a token spans the cut, it is scored whole."""
    word = " қазақстанның"
    pieces = [len(tokenizer.decode([i])) for i in tokenizer.encode(word, add_special_tokens=False)]
    ends = [sum(pieces[: n + 1]) for n in range(len(pieces))]
    assert sum(pieces) == len(word)  # no letter is parted between tokens here
    cuts = range(1, len(word))
    spanned = [cut for cut in cuts if cut not in ends]
    assert spanned  # else this text shows nothing
    scored = HFScorer(model, tokenizer).loglikelihood([Request(word[:cut], word[cut:]) for cut in cuts])
    assert [s.num_tokens for s in scored] == [sum(end > cut for end in ends) for cut in cuts]
    cut = spanned[0]
    ids = [tokenizer.bos_token_id, *tokenizer.encode(word, add_special_tokens=False)]
    whole = sum(end <= cut for end in ends)
    expected = plain_logprob(model, ids, whole + 1)
    assert scored[cut - 1].logprob == pytest.approx(expected, abs=TOLERANCE)


def test_one_token_answers_share_a_pass(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    seen: list[torch.Size] = []
    hook = model.register_forward_pre_hook(lambda _m, _a, k: seen.append(k["input_ids"].shape), with_kwargs=True)
    scorer = HFScorer(model, tokenizer)
    requests = [Request("Дұрыс жауап:", f" {word}") for word in ("the", "of", "in", "to")]
    together = scorer.loglikelihood(requests)
    hook.remove()
    assert [shape[0] for shape in seen] == [1]
    for request, found in zip(requests, together, strict=True):
        assert found.num_tokens == 1
        ids, first = plain_ids(tokenizer, request)
        assert found.logprob == pytest.approx(plain_logprob(model, ids, first), abs=TOLERANCE)
    assert len({round(s.logprob, 3) for s in together}) == 4


@pytest.mark.parametrize("answer", [" Обь", " Солтүстік Мұзды мұхитқа құяды", " of"])
def test_long_contexts_keep_the_start_token_and_their_end(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    request = Request("Ертіс өзені ұзақ ағады. " * 30 + "Жауабы:", answer)
    scorer = HFScorer(model, tokenizer)
    assert scorer.max_length == model.config.max_position_embeddings
    ids, first = plain_ids(tokenizer, request)
    assert len(ids) > 2 * scorer.max_length
    kept = [ids[0], *ids[-scorer.max_length :]]  # the last token is asked for, not read
    with caplog.at_level("WARNING", logger="qaz.eval"):
        [found] = scorer.loglikelihood([request])
    expected = plain_logprob(model, kept, first - (len(ids) - len(kept)))
    assert found.logprob == pytest.approx(expected, abs=TOLERANCE)
    assert found.num_tokens == len(ids) - first
    assert "1 of 1 texts are longer" in caplog.text
    assert found.is_cut and not scorer.loglikelihood([Request("Жауабы:", answer)])[0].is_cut


@given(max_length=st.integers(1, 12), context=st.integers(1, 30), continuation=st.integers(0, 50))
def test_windows_ask_each_token_once_with_enough_before_it(max_length: int, context: int, continuation: int) -> None:
    total = context + continuation
    ids = tuple(range(total))  # a token is its own place
    rows = list(windows(7, ids[:context], ids[context:], max_length))
    asked = []
    for row in rows:
        assert 1 <= len(row.input_ids) <= max_length
        start = row.input_ids[0]
        assert row.input_ids == ids[start : start + len(row.input_ids)]
        for request, position, token in row.targets:
            assert request == 7
            assert row.input_ids[position] == token - 1  # asked at the place before it
            before = position + 1
            assert before >= min(token, max_length // 2 if continuation > max_length else 1)
            asked.append(token)
    assert asked == list(ids[context:])
    if 0 < continuation <= max_length:
        assert len(rows) == 1 and len(rows[0].input_ids) == min(max_length, total - 1)


@pytest.mark.parametrize("max_length", [7, 16, 33])
def test_texts_longer_than_the_model_are_scored_whole(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, max_length: int
) -> None:
    """A model whose layers add nothing knows only the token before: any windows give the sum over pairs, if each is asked
    for once."""
    for layer in model.model.layers:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    text = "Дыбыс суда ауадағыдан төрт еседен астам жылдам таралады. " * 6
    scorer = HFScorer(model, tokenizer)
    scorer.max_length = max_length
    [found] = scorer.loglikelihood([Request("", text)])
    ids = [tokenizer.bos_token_id, *tokenizer.encode(text, add_special_tokens=False)]
    embedded_VH = model.get_input_embeddings().weight.detach().double()
    normed_VH = embedded_VH * torch.rsqrt(embedded_VH.pow(2).mean(-1, keepdim=True) + model.config.rms_norm_eps)
    logprobs_VV = torch.log_softmax(normed_VH @ model.lm_head.weight.detach().double().T, dim=-1)
    expected = sum(float(logprobs_VV[a, b]) for a, b in itertools.pairwise(ids))
    assert found.logprob == pytest.approx(expected, rel=1e-5)
    assert (found.num_tokens, found.num_bytes) == (len(ids) - 1, len(text.encode()))


def test_a_model_that_gives_no_numbers(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    torch.nn.init.constant_(model.lm_head.weight, float("nan"))
    with pytest.raises(WorkError, match=r"no finite log-probability \(nan\) for \' "):
        HFScorer(model, tokenizer).loglikelihood(REQUESTS[:2])


def test_infinity_for_a_token_that_nobody_asked_for(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    """It makes every choice -inf, and the first of them would win in all languages."""
    hook = model.lm_head.register_forward_hook(lambda _m, _i, out: out.index_fill(-1, torch.tensor([7]), torch.inf))
    with pytest.raises(WorkError, match="no finite log-probability"):
        HFScorer(model, tokenizer).loglikelihood(REQUESTS[:2])
    hook.remove()


def test_text_that_the_tokenizer_does_not_give_back_is_told() -> None:
    """A tokenizer of words writes <unk> for nearly all: 0.2 bits per byte where a byte-level one has 3."""
    words = Tokenizer(WordLevel({"<s>": 0, "<unk>": 1, "бір": 2, "екі": 3}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", unk_token="<unk>")
    texts = ["бір екі", "бір үш", "Екі  бір"]
    encoded = encode_requests(fast, 0, [Request("", text) for text in texts])
    assert [one.is_changed for one in encoded] == [False, True, True]


def test_byte_level_tokenizers_change_nothing(tokenizer: PreTrainedTokenizerFast) -> None:
    texts = ["Қазақстан  🇰🇿\n\tжол", "é és", "«1,5 %» — ½", "العربية", " басы бос"]
    assert not any(one.is_changed for one in encode_requests(tokenizer, 0, [Request("", text) for text in texts]))


def without(tokenizer: PreTrainedTokenizerFast, *names: str) -> PreTrainedTokenizerFast:
    changed = copy.deepcopy(tokenizer)
    for name in names:
        setattr(changed, name, None)
    return changed


def test_tokenizers_without_bos(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    scorer = HFScorer(model, without(tokenizer, "bos_token"))
    for request, found in zip(REQUESTS, scorer.loglikelihood(REQUESTS), strict=True):
        ids, first = plain_ids(tokenizer, request)
        expected = plain_logprob(model, [tokenizer.eos_token_id, *ids[1:]], first)
        assert found.logprob == pytest.approx(expected, abs=TOLERANCE)
    with pytest.raises(InputError, match="neither a BOS nor an EOS"):
        HFScorer(model, without(tokenizer, "bos_token", "eos_token"))


def test_a_tokenizer_of_another_model(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    model.resize_token_embeddings(500)
    with pytest.raises(InputError, match="900 tokens, the model 500"):
        HFScorer(model, tokenizer)


# --------------------------------------------------------------------------------------------------------- generation

PROMPTS = ("Қазақстанның оңтүстігінде", "Ол", "Сұрақ: Ертіс өзені қай өзенге құяды?\nЖауабы:", "In the south of")


def greedy_texts(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str], max_bytes: int
) -> list[str]:
    """As many tokens as bytes, which are too many, cut."""
    made = [plain_greedy(model, tokenizer(prompt)["input_ids"], max_bytes) for prompt in prompts]
    assert not any(tokenizer.eos_token_id in ids for ids in made)
    return [cut_to_bytes(tokenizer.decode(ids, skip_special_tokens=True).strip(), max_bytes) for ids in made]


@pytest.mark.parametrize("batch_tokens", [64, 8192])
def test_answers_are_greedy_and_those_of_each_prompt_alone(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, batch_tokens: int
) -> None:
    scorer = HFScorer(model, tokenizer, batch_tokens=batch_tokens)
    found = scorer.generate(PROMPTS, max_bytes=30, stop=())
    assert [answer.text for answer in found] == greedy_texts(model, tokenizer, PROMPTS, 30)
    assert len(set(found)) == len(found)
    assert all(answer.is_unfinished and not answer.is_cut for answer in found)
    assert scorer.generate([], max_bytes=30, stop=()) == []


def test_the_models_own_sampling_settings_do_not_count(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    scorer = HFScorer(model, tokenizer)
    expected = scorer.generate(PROMPTS, max_bytes=30, stop=())
    settings: dict[str, Any] = {"repetition_penalty": 9.0, "no_repeat_ngram_size": 1, "temperature": 5.0, "top_k": 3}
    model.generation_config.update(**settings, do_sample=True)
    assert scorer.generate(PROMPTS, max_bytes=30, stop=()) == expected


def test_end_tokens_end_an_answer(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    prompt = PROMPTS[0]
    made = plain_greedy(model, tokenizer(prompt)["input_ids"], 10)
    cut = next(n for n in range(2, 10) if made[n] not in made[:n])
    model.generation_config.eos_token_id = [made[cut]]
    [found] = HFScorer(model, tokenizer).generate([prompt], max_bytes=500, stop=())
    assert found.text in tokenizer.decode(made[: cut + 1]).strip() and not found.is_unfinished
    model.generation_config.eos_token_id = None
    [unending] = HFScorer(model, without(tokenizer, "eos_token")).generate([prompt], max_bytes=12, stop=())
    assert unending.is_unfinished
    assert unending.text == cut_to_bytes(tokenizer.decode(made, skip_special_tokens=True).strip(), 12)


def test_an_answer_that_ends_at_once_is_empty(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    model.generation_config.eos_token_id = plain_greedy(model, tokenizer(PROMPTS[1])["input_ids"], 1)
    found = HFScorer(model, without(tokenizer, "pad_token")).generate(PROMPTS, max_bytes=5, stop=())
    text = tokenizer.decode(model.generation_config.eos_token_id).strip()
    assert found[1].text in ("", text)  # the end token itself is text here only because it is an ordinary one


def test_stop_strings_cut(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    scorer = HFScorer(model, tokenizer)
    [whole] = scorer.generate(PROMPTS[:1], max_bytes=40, stop=())
    stop = whole.text[len(whole.text) // 2 : len(whole.text) // 2 + 2]
    [found] = scorer.generate(PROMPTS[:1], max_bytes=40, stop=("нет такого", stop))
    assert found == Generated(whole.text[: whole.text.index(stop)].strip())  # cut by its own doing: finished


def test_prompts_too_long_keep_their_start_token_and_their_end(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    prompt = "Ертіс өзені ұзақ ағады. " * 30 + "Жауабы:"
    [found] = HFScorer(model, tokenizer).generate([prompt], max_bytes=10, stop=())
    ids = tokenizer(prompt)["input_ids"]
    kept = [tokenizer.bos_token_id, *ids[-(model.config.max_position_embeddings - 11) :]]
    assert found.is_cut
    text = tokenizer.decode(plain_greedy(model, kept, 10), skip_special_tokens=True).strip()
    assert found.text == cut_to_bytes(text, 10)


def test_prompts_that_open_with_a_special_token_get_no_other(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    scorer = HFScorer(model, tokenizer)
    for opening in ("<|bos|>", "<|im_start|>user\n"):
        [found] = scorer.generate([f"{opening}Сәлем"], max_bytes=6, stop=())
        ids = tokenizer(f"{opening}Сәлем", add_special_tokens=False)["input_ids"]
        assert found.text == cut_to_bytes(
            tokenizer.decode(plain_greedy(model, ids, 6), skip_special_tokens=True).strip(), 6
        )


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        (" Обь\nСұрақ: ", ("\n",), "Обь"),
        ("\n\n Обь \n", ("\n",), "Обь"),
        ("бір. екі; үш", (";", "."), "бір"),
        ("  Обь ", (), "Обь"),
        ("", ("\n",), ""),
        ("\n", ("\n",), ""),
    ],
)
def test_an_answer_is_cut_at_its_stop_string(text: str, stop: tuple[str, ...], expected: str) -> None:
    assert finish(text, stop, 1000, has_ended=True) == (expected, False)


def test_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="no GPU is at hand"):
        choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
