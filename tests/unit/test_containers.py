"""The recipes name what is there, and say of themselves what was not tried."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "containers"


def test_the_scripts_are_shell_and_what_they_copy_is_there() -> None:
    assert subprocess.run(["sh", "-n", CONTAINERS / "wheels.sh"], check=False).returncode == 0
    text = (CONTAINERS / "Containerfile").read_text()
    copied = re.findall(r"^COPY (\S+)", text, re.M)
    assert set(copied) == {"wheels", "configs"} and (ROOT / "configs").is_dir()
    assert "--no-index" in text and "USER qaz" in text


def test_no_recipe_reaches_for_the_network_and_the_untested_one_says_so() -> None:
    for name in ("Containerfile", "qaz-llm.def"):
        code = "\n".join(line.partition("#")[0] for line in (CONTAINERS / name).read_text().splitlines())
        assert not re.search(r"\b(apt-get|apk|curl|wget|git clone|conda)\b|https?://", code), name
        assert all("--no-index" in line for line in re.sub(r"\\\n", "", code).splitlines() if "pip install" in line)
    assert (CONTAINERS / "qaz-llm.def").read_text().startswith("# UNTESTED")
