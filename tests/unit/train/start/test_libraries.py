"""What a training does not import, in processes of their own: what was imported once stays imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qaz_llm.train.start.libraries import left_out


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_package_is_left_out_for_the_block_alone(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "qaz_test_package.py").write_text("there = True")
    monkeypatch.syspath_prepend(tmp_path)
    with left_out("qaz_test_package"), pytest.raises(ImportError):
        import qaz_test_package
    import qaz_test_package

    with left_out("qaz_test_package"):  # whoever has it already keeps it
        import qaz_test_package
    assert qaz_test_package.there
    del sys.modules["qaz_test_package"]


def test_trainer_comes_without_what_is_never_used_and_the_rest_of_the_process_has_it() -> None:
    code = (
        "import sys\n"
        "from qaz_llm.train.start.libraries import NEVER_USED, import_trainer\n"
        "import_trainer()\n"
        "early = sorted({*NEVER_USED, 'pandas'} & set(sys.modules))\n"
        "from transformers import Trainer\n"
        "from scipy.optimize import linear_sum_assignment\n"
        "print(early, Trainer.__name__, linear_sum_assignment.__name__)"
    )
    assert printed(code) == "[] Trainer linear_sum_assignment"


def test_nothing_is_left_out_of_a_transformers_that_is_there_already() -> None:
    """It has noted that datasets is installed, and would fail to import it."""
    code = (
        "from transformers.utils import is_datasets_available\n"
        "before = is_datasets_available()\n"
        "from qaz_llm.train.start.libraries import import_trainer\n"
        "import_trainer()\n"
        "from transformers import trainer\n"
        "print(before == hasattr(trainer, 'datasets'))"
    )
    assert printed(code) == "True"
