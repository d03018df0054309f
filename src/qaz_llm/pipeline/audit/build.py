"""`qaz audit`: the parts of a run gathered, cleaned of the machine's names, told in an index, hashed and signed."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm import __version__
from qaz_llm.errors import InputError, WorkError
from qaz_llm.io import atomic_dir, check_replaceable, read_json, sha256_of, write_json, write_text
from qaz_llm.io.machine import MachineWords, paths_in
from qaz_llm.pipeline.audit.cleaning import copy_clean, texts_of, words_of_run
from qaz_llm.pipeline.audit.energy import Energy, estimate_energy
from qaz_llm.pipeline.audit.index import Contents, make_index
from qaz_llm.pipeline.audit.parts import SUMMARY, find_parts, model_of, of_run
from qaz_llm.pipeline.audit.sbom import SBOM, can_write_sbom, write_sbom
from qaz_llm.pipeline.audit.signing import PUBLIC_KEY, SIGNATURE, load_key, sign, write_public_key, write_sums

INDEX, WEIGHTS, ENERGY, LABEL_ROOT = "index.html", "model/hashes.json", "energy.json", "label_root.pem"
FORMS = Path(__file__).parent / "forms"
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True)
class Audit:
    """What was made: its folder, how many files, what is missing, and what was replaced by kind."""

    path: Path
    files: int
    missing: tuple[str, ...]
    replaced: dict[str, int]
    signed: bool


def build_audit(
    run_dir: Path,
    out: Path,
    *,
    data: Sequence[Path] = (),
    evaluations: Sequence[Path] = (),
    label_root: Path | None = None,
    key: Path | None = None,
    watts: float | None = None,
) -> Audit:
    """Gather what is known of the run in `run_dir` into the folder `out`, whole or not at all.

    `data` and `evaluations` name builds and evaluations that lie outside the run; `label_root` a certificate in PEM that labels
    of the model's texts lead to; `key` a file with an Ed25519 key to sign by, made where it is not there; `watts` the power
    of one device, in place of an assumed one.

    Raises:
        InputError: no run, a folder or file named that is not what it is named for, `out` holds other files,
            or a signed audit where this one is not to be signed.
        DataError: a file of the run is damaged.
        WorkError: a path of the machine, a name or a secret was left in a file.
    """
    check_replaceable(out, marker=SUMMARY)
    if key is None and (out / SIGNATURE).exists():
        raise InputError(
            f"{out}: holds a signed audit, and one without a signature would take its place",
            hint="sign this one, too: --sign KEY.pem; or name another folder",
        )
    parts = find_parts(run_dir, data=data, evaluations=evaluations)
    words = words_of_run(run_dir)
    secret = load_key(key) if key is not None else None
    root = _certificate(label_root) if label_root is not None else None
    with atomic_dir(out) as folder:
        replaced, left_out = copy_clean([file for part in parts for file in part.files], folder, words)
        shutil.copytree(FORMS, folder / "forms")
        energy = _write_energy(run_dir, folder, watts)
        if root is not None:
            write_text(folder / LABEL_ROOT, root)
        if secret is not None:
            write_public_key(folder, secret)
        files = {part.name: [file.place for file in part.files if file.place not in left_out] for part in parts}
        files |= {
            "weights": _write_hashes(run_dir, folder),
            "energy": [ENERGY] if energy else [],
            "sbom": [SBOM] if can_write_sbom() and write_sbom(folder) else [],
            "label_root": [LABEL_ROOT] if root is not None else [],
            "signature": [SIGNATURE, PUBLIC_KEY] if secret is not None else [],
        }
        contents = Contents(
            name=words.replace(run_dir.resolve().name)[0],
            version=__version__,
            files=files,
            manifests=_read(folder, files["manifest"]),
            parities={place: value for place, value in _read(folder, files["evaluation"]).items() if "scores" in value},
            energy=energy,
            signed=secret is not None,
            replaced=replaced,
            left_out=left_out,
        )
        write_text(folder / INDEX, make_index(contents))
        summary = {"kind": "qaz audit", "parts": files, "missing": contents.missing, "replaced": dict(replaced)}
        write_json(folder / SUMMARY, summary)
        _refuse_telling(folder, words)
        number = write_sums(folder)
        if secret is not None:
            sign(folder, secret)
    return Audit(out, number, contents.missing, dict(replaced), secret is not None)


def _read(folder: Path, places: Sequence[str]) -> dict[str, Any]:
    return {place: read_json(folder / place) for place in places if place.endswith(".json")}


def _write_energy(run_dir: Path, folder: Path, watts: float | None) -> Energy | None:
    energy = estimate_energy(run_dir, watts=watts)
    if energy is not None:
        write_json(folder / ENERGY, energy.to_json())
    return energy


def _write_hashes(run_dir: Path, folder: Path) -> list[str]:
    """SHA-256 and bytes of every file of the model, so that an auditor knows which weights are meant."""
    model = model_of(run_dir)
    if model is None:
        return []
    files = [p for p in of_run(model, "**/*") if p.is_file()]
    hashes = {str(p.relative_to(model)): {"bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in files}
    write_json(folder / WEIGHTS, hashes)
    return [WEIGHTS]


def _certificate(path: Path) -> str:
    """The certificates of a file in PEM, without what stands around them. Raises InputError for anything else, above all a private key."""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--label-root {path}: cannot be read as PEM", hint="name the root's certificate") from error
    if "PRIVATE KEY" in text or not _CERTIFICATE.search(text):
        found = "a private key, which is nobody's to see" if "PRIVATE KEY" in text else "no certificate"
        raise InputError(f"--label-root {path}: holds {found}", hint="name the root's certificate, in PEM")
    return "".join(f"{found}\n" for found in _CERTIFICATE.findall(text))


def _refuse_telling(folder: Path, words: MachineWords) -> None:
    """The last look, for all that `copy_clean` replaces, at every file as it was written; certificates and public keys are what they are."""
    for path, text in texts_of(folder):
        if path.suffix == ".pem":
            continue
        if path.name == SBOM:  # a package may be called as a person is, and its version as an address
            left = Counter(path=len(list(paths_in(json.loads(text)))))
        else:
            left = words.replace_in(json.loads(text))[1] if path.suffix == ".json" else words.replace(text)[1]
        if left.total():
            raise WorkError(
                f"{path.relative_to(folder)}: still tells of the machine or a person ({', '.join(+left)}); no audit was written",
                hint="a folder of the run may be named after a user or host: rename it",
            )
