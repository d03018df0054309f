"""From the sections of a run's config to the stages and to the configs of their rooms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values, load_config
from qaz_llm.errors import QazError, UserError
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.pipeline.inputs import base_model, last_training
from qaz_llm.pipeline.job import make_stages
from qaz_llm.pipeline.layout import Layout
from qaz_llm.pipeline.training_stage import train_config

ROOT = Path(__file__).parents[3]
RUN = Path("/somewhere/run")
SOURCE = {"name": "a", "path": "embedded:documents_kk_a.jsonl", "language": "kk", "licence": "CC0-1.0"}
CHECKPOINT: dict[str, Any] = {
    "run_dir": str(RUN),
    "data": {"sources": [SOURCE]},
    "model": {"checkpoint": "some/model", "embedding_init": "weighted_mean"},
    "sft": None,
    "eval": {"suite": "demo"},
}


def demo(*overrides: str) -> RunConfig:
    return load_config(RunConfig, ROOT / "configs" / "demo.yaml", [f"run_dir={RUN}", *overrides])


def preferring(*overrides: str) -> RunConfig:
    return load_config(RunConfig, ROOT / "configs" / "demo_preference.yaml", [f"run_dir={RUN}", *overrides])


def from_checkpoint(**values: Any) -> RunConfig:
    return config_from_values(RunConfig, CHECKPOINT | values, where="test")


def test_the_order_of_the_stages() -> None:
    names = [stage.name for stage in make_stages(demo())]
    assert names == ["corpus", "tokenizer", "pretrain", "cpt", "sft", "eval", "report"]
    assert [stage.name for stage in make_stages(from_checkpoint())] == [
        "corpus", "tokenizer", "cpt", "eval", "report",
    ]  # fmt: skip
    assert [stage.name for stage in make_stages(preferring())][2:] == [
        "pretrain", "cpt", "sft", "preference", "eval", "report",
    ]  # fmt: skip


@pytest.mark.parametrize("config", [demo(), from_checkpoint(), demo("sft=null"), preferring()])
def test_each_stage_reads_only_from_stages_before_it_and_has_a_folder_of_its_own(config: RunConfig) -> None:
    stages = make_stages(config)
    for number, stage in enumerate(stages):
        assert set(stage.after) <= {before.name for before in stages[:number]}
    folders = [folder for stage in stages for folder in (stage.folder, *stage.also)]
    assert len(set(folders)) == len(folders)
    assert all(folder.parent == RUN for folder in folders)
    assert Layout(RUN).model in folders


def test_only_training_takes_several_processes() -> None:
    assert [stage.name for stage in make_stages(demo()) if stage.distributed] == ["pretrain", "cpt", "sft"]


def test_pretraining_is_of_the_architecture_with_the_base_tokenizer() -> None:
    config = demo()
    made = train_config(config, Layout(RUN), "pretrain")
    assert made.run_dir == RUN / "pretrain"
    assert made.method == "pretrain"
    assert made.model.architecture == config.model.architecture
    assert made.model.checkpoint is None and made.model.tokenizer == str(RUN / "tokenizer" / "base")
    assert {(e.name, e.language, e.path, e.weight) for e in made.data.mix} == {
        ("ru", "ru", str(RUN / "corpus"), 0.5),
        ("en", "en", str(RUN / "corpus"), 0.5),
    }
    assert (made.data.total_tokens, made.data.max_passes) == (280_000, 16)


def test_continued_pretraining_takes_the_base_model_and_the_extended_tokenizer() -> None:
    made = train_config(demo("cpt.lr=1e-5", "cpt.seed=7", "device=cpu"), Layout(RUN), "cpt")
    assert (made.method, made.lr, made.seed, made.device) == ("cpt", 1e-5, 7, "cpu")
    assert made.model.checkpoint == str(RUN / "pretrain" / "model")
    assert made.model.tokenizer == str(RUN / "tokenizer" / "extended")
    assert {entry.name: entry.weight for entry in made.data.mix} == {"kk": 0.7, "ru": 0.15, "en": 0.15}


def test_every_hyperparameter_of_a_section_arrives() -> None:
    config = demo()
    for name in ("pretrain", "cpt", "sft"):
        section, made = getattr(config, name).to_dict(), train_config(config, Layout(RUN), name).to_dict()
        for key in section.keys() - {"mix", "total_tokens", "max_passes", "shares"}:
            assert made[key] == section[key], (name, key)


def test_instruction_tuning_goes_on_from_continued_pretraining_with_its_tokenizer() -> None:
    made = train_config(demo(), Layout(RUN), "sft")
    assert made.model.checkpoint == str(RUN / "cpt" / "model") and made.model.tokenizer is None
    assert [(entry.path, entry.language) for entry in made.data.mix] == [(str(RUN / "corpus"), None)]
    assert made.adapter.type == "lora"


def test_conversations_are_taken_by_the_shares_of_their_sources() -> None:
    shares = {"dialogues": 3.0, "gov_pairs": 1.0}
    overrides = [f"run_dir={RUN}", f"sft.shares={shares}", "sft.max_passes=2"]
    made = train_config(load_config(RunConfig, ROOT / "configs/real_smollm2.yaml", overrides), Layout(RUN), "sft")
    assert made.data.mix is not None and made.data.max_passes == 2
    assert {(entry.source, entry.path, entry.weight) for entry in made.data.mix} == {
        (name, str(RUN / "corpus"), share) for name, share in shares.items()
    }


def test_a_run_begun_before_there_were_shares_goes_on() -> None:
    def settings(config: RunConfig) -> Any:
        return next(stage.settings for stage in make_stages(config) if stage.name == "sft")

    plain, name = settings(demo()), demo().data.conversations[0].name
    assert not {"shares", "max_passes"} & plain.keys()
    assert settings(demo(f"sft.shares={{{name}: 1}}")) != plain


def test_preferences_are_learned_from_the_pairs_alone_by_the_model_of_the_stage_before(tmp_path: Path) -> None:
    config = preferring("preference.preference.beta=0.3")
    made = train_config(config, Layout(RUN), "preference")
    assert (made.method, made.preference.beta, made.run_dir) == ("dpo", 0.3, RUN / "preference")
    assert made.model.checkpoint == str(RUN / "sft" / "model") and made.model.tokenizer is None
    assert made.data.mix is not None
    assert [(entry.name, Path(entry.path).name) for entry in made.data.mix] == [("pairs", "preferences.jsonl")]
    (stage,) = [stage for stage in make_stages(config) if stage.name == "preference"]
    assert stage.after == ("corpus", "tokenizer", "pretrain", "cpt", "sft")
    assert [path.name for path in stage.inputs()] == ["preferences.jsonl"]
    without = preferring("sft=null", "model.chat_template=chatml", f"data.root={tmp_path}", "preference.pairs.0.path=p")
    made = train_config(without, Layout(RUN), "preference")
    assert (made.model.checkpoint, made.model.chat_template) == (str(RUN / "cpt" / "model"), "chatml")
    assert made.data.mix is not None and made.data.mix[0].path == str(tmp_path / "p")


@pytest.mark.parametrize(
    ("rows", "words"), [(None, "no such file"), ('{"prompt": "a", "chosen": "b"}\n', "a chosen and a rejected answer")]
)
def test_pairs_that_are_none_are_found_before_any_work(tmp_path: Path, rows: str | None, words: str) -> None:
    path = tmp_path / "pairs.jsonl"
    if rows is not None:
        path.write_text(rows)
    (stage,) = [s for s in make_stages(preferring(f"preference.pairs.0.path={path}")) if s.name == "preference"]
    with pytest.raises(UserError, match=words):
        stage.inputs()


@pytest.mark.parametrize("config", [preferring(), from_checkpoint()])
def test_a_stage_names_only_code_that_is_there(config: RunConfig) -> None:
    """A room that was renamed would change nothing in the fingerprint, and a stage would stay as it was."""
    package = ROOT / "src" / "qaz_llm"
    for stage in make_stages(config):
        for room in stage.rooms:
            assert (package / room).is_dir() or (package / f"{room}.py").is_file(), (stage.name, room)


def test_a_checkpoint_is_the_base_and_keeps_its_tokenizer_where_no_tokens_are_added() -> None:
    config = from_checkpoint()
    assert base_model(config, Layout(RUN)) == "some/model"
    made = train_config(config, Layout(RUN), "cpt")
    assert (made.model.checkpoint, made.model.embedding_init) == ("some/model", "weighted_mean")
    assert made.model.tokenizer == str(RUN / "tokenizer" / "extended")
    as_it_is = train_config(from_checkpoint(tokenizer={"num_new_tokens": 0}), Layout(RUN), "cpt")
    assert as_it_is.model.tokenizer == str(RUN / "tokenizer" / "base")


def test_the_last_training_is_the_adapted_model() -> None:
    assert last_training(demo()) == "sft"
    assert last_training(demo("sft=null")) == "cpt"
    assert last_training(preferring()) == "preference"


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("sft.lr=0.5", {"sft"}),
        ("cpt.mix={kk: 1.0}", {"cpt"}),
        ("pretrain.max_steps=3", {"pretrain"}),
        ("tokenizer.num_new_tokens=5", {"tokenizer"}),
        ("eval.max_items=3", {"eval"}),
        ("title=Another", {"report"}),
        ("data.seed=5", {"corpus"}),
        ("data.workers=2", set()),
        ("run_dir=/elsewhere", set()),
    ],
)
def test_a_changed_value_changes_the_settings_of_its_stage_alone(override: str, changed: set[str]) -> None:
    before = {stage.name: stage.settings for stage in make_stages(demo())}
    after = {stage.name: stage.settings for stage in make_stages(demo(override))}
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_stage_is_done_again_for_what_chooses_its_model_but_not_for_what_only_looks_on() -> None:
    def settings(*overrides: str) -> Any:
        stages = {stage.name: stage for stage in make_stages(demo("cpt.eval_every_steps=5", *overrides))}
        return stages["cpt"].settings

    assert "watch" not in settings()  # as a run begun before there were such keys has it
    assert settings("cpt.watch.samples_every_steps=5", "cpt.watch.report_to=[wandb]") == settings()
    assert settings("cpt.watch.keep_best=kk", "cpt.watch.final_model=best")["watch"] == {
        "keep_best": "kk", "final_model": "best",
    }  # fmt: skip


def test_files_that_are_not_there_are_found_before_any_work(tmp_path: Path) -> None:
    config = from_checkpoint(data={"sources": [SOURCE | {"path": str(tmp_path / "missing.jsonl")}]})
    (corpus, *_rest) = make_stages(config)
    with pytest.raises(UserError, match=r"missing\.jsonl"):
        corpus.inputs()


def test_a_seq_len_that_a_fresh_model_cannot_hold_is_refused() -> None:
    with pytest.raises(QazError, match="max_position_embeddings"):
        train_config(demo("pretrain.seq_len=4096"), Layout(RUN), "pretrain")
