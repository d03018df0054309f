"""How much energy a run took, as an estimate: time of its stages × devices × an assumed power. Nothing is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qaz_llm.io import read_json

WATTS: Mapping[str, float] = {"H200": 700.0, "H100": 700.0, "A100": 400.0, "L40": 300.0, "RTX 4090": 450.0, "T4": 70.0}
"""Makers' power limits of one accelerator, in watts; by a word in its name."""
CPU_WATTS = 100.0
"""A processor with its memory under load: a round figure between a laptop's 45 and a server socket's 350."""
OTHER_WATTS = 700.0


@dataclass(frozen=True)
class Energy:
    """`device_hours` × `watts` ÷ 1,000 = `kwh`, summed over stages; `stated`: the watts were given, not assumed."""

    device: str
    watts: float
    stated: bool
    hours: Mapping[str, float]
    devices: Mapping[str, int]

    @property
    def device_hours(self) -> float:
        """Of all stages together."""
        return sum(hours * self.devices[stage] for stage, hours in self.hours.items())

    @property
    def kwh(self) -> float:
        """The estimate, without cooling and losses of the building."""
        return self.device_hours * self.watts / 1000

    def to_json(self) -> dict[str, Any]:
        """All of it, with the sums, as JSON values."""
        return {**asdict(self), "device_hours": self.device_hours, "kwh": self.kwh, "is": "an estimate, not measured"}


def estimate_energy(run_dir: Path, *, watts: float | None = None) -> Energy | None:
    """The estimate of a run; None where it tells no times."""
    hours, devices = {}, {}
    for path in sorted(run_dir.glob("stages/*.json")):
        if not path.name.endswith(".started.json"):
            hours[path.stem] = float(read_json(path).get("seconds", 0.0)) / 3600
    if not hours and (run_dir / "complete.json").is_file():
        hours["training"] = float(read_json(run_dir / "complete.json").get("seconds", 0.0)) / 3600
    if not hours:
        return None
    device = "cpu"
    for stage in hours:
        file = run_dir / ("run.json" if stage == "training" else f"{stage}/run.json")
        plan = read_json(file).get("plan", {}) if file.is_file() else {}
        devices[stage] = int(plan.get("world_size", 1))
        device = str(plan.get("device_name") or device)
    assumed = CPU_WATTS if device == "cpu" else next((w for name, w in WATTS.items() if name in device), OTHER_WATTS)
    return Energy(device, watts if watts is not None else assumed, watts is not None, hours, devices)
