"""What of this package's requirements is installed, by its own metadata: nothing is imported, so a broken package is no obstacle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

DISTRIBUTION = "qaz-llm"
FOR_DEVELOPERS = ("dev", "bench")
"""Extras that nobody needs who only uses the project."""


def missing_packages(extra: str = "") -> tuple[str, ...]:
    """The requirements that are not met, as pip is told them: `numba>=0.63 (found 0.60.0)`. With `extra` those of an extra alone.

    >>> missing_packages("no such extra")
    ()
    """
    return tuple(_unmet(extra))


def missing_extras() -> Mapping[str, tuple[str, ...]]:
    """Of each extra for users that is not whole, what it lacks."""
    try:
        names = metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return {}
    lacking = {name: missing_packages(name) for name in names if name not in FOR_DEVELOPERS}
    return {name: packages for name, packages in lacking.items() if packages}


def source_tree() -> Path | None:
    """The checkout that this code lies in, which is so where it was installed with `pip install -e`; None of a wheel's files."""
    folder = Path(__file__).resolve().parents[2]
    return folder if (folder / "pyproject.toml").is_file() else None


def install_command(packages: Sequence[str], extra: str = "", *, source: Path | None) -> str:
    """What to type for packages that are missing, as `missing_packages` names them: by the checkout where this is installed from
    one, else each by its name, as a wheel need not come from an index that has this project.

    >>> install_command(["numba>=0.63 (found 0.60.0)", "fastapi"], "serve", source=None)
    'pip install "numba>=0.63" "fastapi"'
    """
    if source is not None:
        return f'pip install -e "{source}[{extra}]"' if extra else f'pip install -e "{source}"'
    return "pip install " + " ".join(f'"{package.partition(" (found")[0]}"' for package in packages)


def how_to_install(extra: str) -> str:
    """What to type for what an extra lacks here.

    >>> how_to_install("serve").startswith("pip install")
    True
    """
    return install_command(missing_packages(extra) or (f"{DISTRIBUTION}[{extra}]",), extra, source=source_tree())


def _unmet(extra: str) -> Iterator[str]:
    from packaging.requirements import Requirement

    try:
        lines = metadata(DISTRIBUTION).get_all("Requires-Dist") or []
    except PackageNotFoundError:
        yield DISTRIBUTION
        return
    for required in map(Requirement, lines):
        always = required.marker is None or required.marker.evaluate({"extra": ""})
        wanted = always if not extra else not always and required.marker.evaluate({"extra": extra})  # type: ignore[union-attr]
        if not wanted:
            continue
        try:
            found = version(required.name)
        except PackageNotFoundError:
            yield f"{required.name}{required.specifier}"
            continue
        if not required.specifier.contains(found, prereleases=True):
            yield f"{required.name}{required.specifier} (found {found})"
