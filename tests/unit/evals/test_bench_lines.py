"""What the speed bench asks, on a set of a few rows: it goes with the package, and no test of the package would see it break."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[3] / "scripts" / "bench"


def test_the_lines_of_a_set(tmp_path: Path) -> None:
    sys.path.insert(0, str(SCRIPTS))
    try:
        from eval_lines import make_lines, write_for_peer
    finally:
        sys.path.remove(str(SCRIPTS))
    (tmp_path / "kardes_nlu").mkdir()
    for split, count in (("dev", 6), ("test", 9)):
        rows = [
            {
                "id": f"{split}{n}",
                "asks-for": "cause",
                "most-plausible-alternative": "1",
                "p": f"p{n}",
                "a1": "x",
                "a2": "y",
            }
            | {"p_translation": f"{split} бір {n}", "a1_translation": "екі", "a2_translation": "үш"}
            for n in range(count)
        ]
        lines = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / "kardes_nlu" / f"xcopa_kk_{split}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    made = list(make_lines(["xcopa_kk"], tmp_path, items=4))
    assert [line.name for line in made] == [f"xcopa_kk_{way}_{k}shot" for k in (0, 5) for way in ("letters", "cloze")]
    assert all(len(line.items) == 4 and {i.language for i in line.items} == {"kk"} for line in made)
    plain, solved = made[1], made[3]
    assert plain.requests()[0][0].context == "test бір 0\nМұның себебі:" and plain.shared(plain.items[0]) == ""
    assert solved.shared(solved.items[0]).count("dev бір") == 5
    write_for_peer(solved, tmp_path, start="<s>")
    first = json.loads((tmp_path / f"{solved.name}.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["context"].startswith("<s>dev бір 0") and first["choices"] == [" екі", " үш"] and first["gold"] == 0
