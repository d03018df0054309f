"""The packages of this environment as a CycloneDX bill of materials (SBOM), made without network."""

from __future__ import annotations

from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from qaz_llm.io import write_text

SBOM = "sbom.cdx.json"
MAX_LICENCE_CHARS = 60
"""Longer ones are the text of a licence, and not its name."""


def can_write_sbom() -> bool:
    """Whether the library for it is installed (extra `audit`)."""
    return find_spec("cyclonedx") is not None


def write_sbom(out: Path) -> int:
    """Write `sbom.cdx.json` (CycloneDX 1.6) into `out`; the number of packages in it."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    licences, bom = LicenseFactory(), Bom()
    for package in distributions():
        about = package.metadata.json
        name, stated = package.name, about.get("license_expression") or about.get("license")
        is_name = stated and len(stated) <= MAX_LICENCE_CHARS and "\n" not in stated
        bom.components.add(
            Component(
                type=ComponentType.LIBRARY,
                name=name,
                version=package.version,
                bom_ref=f"{name}@{package.version}",
                purl=PackageURL("pypi", None, name.lower(), package.version),
                licenses=[licences.make_from_string(stated)] if is_name else [],
            )
        )
    write_text(out / SBOM, JsonV1Dot6(bom).output_as_string(indent=1) + "\n")
    return len(bom.components)
