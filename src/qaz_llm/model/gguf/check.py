"""Does llama.cpp read the file as transformers reads the folder: ids, likeliest tokens, dialogue, where answers end?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.model.gguf.llama import Llama, serving
from qaz_llm.model.gguf.stops import Stops

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

PROMPT_TOKENS, ANSWER_TOKENS = 24, 16
TURNS = [{"role": "user", "content": "Сәлем!"}]
MAX_NATS: Mapping[str, float] = {"f32": 0.03, "f16": 0.05, "bf16": 0.3, "q8_0": 0.3}
"""How far a log-probability of llama.cpp may lie from that of the folder's weights in float32, by the file's precision. An error
of reading moves them by more: it makes other words likely. llama.cpp multiplies in the file's precision on both sides."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `passed` None: it could not be looked at here, and `said` tells why."""

    passed: bool | None
    said: str


def compare_with_llama(
    folder: Path, file: Path, *, texts: Sequence[str], prompts: Sequence[str], stops: Stops, precision: str
) -> Iterator[Check]:
    """The checks, one after the other.

    Raises:
        WorkError: llama.cpp does not load the file.
    """
    from qaz_llm.model.load import load_model, load_tokenizer

    tokenizer = load_tokenizer(folder)
    with serving(file) as llama:
        yield compare_ids(tokenizer, llama, texts)
        model = load_model(folder, dtype="float32")
        yield compare_answers(model, tokenizer, llama, prompts, MAX_NATS[precision])
        yield compare_stops(model, tokenizer, llama, stops)
        yield compare_dialogue(tokenizer, llama)


def compare_ids(tokenizer: PreTrainedTokenizerFast, llama: Llama, texts: Sequence[str]) -> Check:
    """Token ids of every text, without and with the tokens that begin and end one."""
    differing = [
        text
        for text in texts
        if list(tokenizer(text, add_special_tokens=False)["input_ids"]) != llama.ids(text)
        or list(tokenizer(text)["input_ids"]) != llama.ids(text, special=True)
    ]
    example = f", the first {differing[0][:80]!r}" if differing else ""
    return Check(
        not differing, f"token ids: equal for {len(texts) - len(differing):,} of {len(texts):,} texts{example}"
    )


def compare_answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, llama: Llama, prompts: Sequence[str], max_nats: float
) -> Check:
    """The likeliest token at each place of llama.cpp's answers, and its log-probability, by both.

    Another token passes where both lie within `max_nats` of each other: two programs round differently.
    """
    unsaid = set(tokenizer.all_special_ids)
    places = same = 0
    farthest = lost = 0.0
    for text in prompts:
        prompt = list(tokenizer(text)["input_ids"])[:PROMPT_TOKENS]
        answer, told = _answer(llama, prompt)
        ours = _logprobs(model, prompt, answer)
        for place, (token, row) in enumerate(zip(answer, ours, strict=True)):
            allowed = max((value, index) for index, value in enumerate(row) if index not in unsaid or index == token)
            places += 1
            same += allowed[1] == token
            lost = max(lost, allowed[0] - row[token])
            if place in told:
                farthest = max(farthest, abs(row[token] - told[place]))
    said = f"likeliest token: the same at {same:,} of {places:,} places after {len(prompts)} beginnings"
    said += f", none more than {lost:.1e} nats below" if same < places else ""
    said += f"; log-probabilities at most {farthest:.1e} apart ({max_nats:g} accepted)"
    return Check(places > 0 and lost < max_nats and farthest < max_nats, said)


def _answer(llama: Llama, prompt: list[int]) -> tuple[list[int], dict[int, float]]:
    """llama.cpp's likeliest continuation, and the log-probabilities that it tells, by place.

    One token at a time: of tokens that end within a letter it tells no probability, and in a longer answer not which.
    """
    answer: list[int] = []
    told: dict[int, float] = {}
    body = {"n_predict": 1, "n_probs": 1, "return_tokens": True, "ignore_eos": True, "temperature": 0.0}
    for place in range(ANSWER_TOKENS):
        said = llama.ask("/completion", {**body, "prompt": prompt + answer})
        answer += said["tokens"][:1]
        if rows := said.get("completion_probabilities"):
            told[place] = rows[0]["logprob"]
    return answer, told


def _logprobs(model: PreTrainedModel, prompt: list[int], answer: list[int]) -> list[list[float]]:
    """Log-probabilities of every token at each place of the answer, shape (answer, vocabulary)."""
    import torch

    with torch.no_grad():
        logits_BLV = model(torch.tensor([prompt + answer])).logits
    rows: list[list[float]] = logits_BLV[0, len(prompt) - 1 : -1].float().log_softmax(-1).tolist()
    return rows


def compare_stops(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, llama: Llama, stops: Stops) -> Check:
    """Whether an answer ends at each token that ends one; the token is made certain, so that only that is asked."""
    prompt = list(tokenizer("Сәлем", add_special_tokens=False)["input_ids"])
    body: dict[str, Any] = {"prompt": prompt, "n_predict": 4, "temperature": 0.0}
    ending = [
        stop
        for stop in stops.ids
        if llama.ask("/completion", body | {"logit_bias": [[stop, 1000.0]]})["stop_type"] == "eos"
    ]
    spelled = ", ".join(f"{stop} {tokenizer.convert_ids_to_tokens(stop)}" for stop in ending)
    return Check(ending == list(stops.ids), f"answers end at {len(ending)} of {len(stops.ids)} end tokens: {spelled}")


def compare_dialogue(tokenizer: PreTrainedTokenizerFast, llama: Llama) -> Check:
    """The text that a dialogue becomes."""
    if not tokenizer.chat_template:
        return Check(None, "dialogue: not compared, the model has no chat template")
    ours = str(tokenizer.apply_chat_template(TURNS, add_generation_prompt=True, tokenize=False))
    theirs = str(llama.ask("/apply-template", {"messages": TURNS})["prompt"])
    begin = tokenizer.bos_token or ""
    same = ours.removeprefix(begin) == theirs.removeprefix(begin)
    return Check(same, "dialogue: the same text" if same else f"dialogue: {ours!r} became {theirs!r}")
