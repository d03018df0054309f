"""Damage to the files of a checkpoint."""

from __future__ import annotations

import random
from pathlib import Path

MARKER = "complete.json"
KINDS = ("flip", "truncate", "delete", "append", "swap")


def newest(run_dir: Path) -> Path:
    """The checkpoint with the highest step."""
    found = (run_dir / "checkpoints").glob("step-*")
    return max(found, key=lambda path: int(path.name.removeprefix("step-")))


def damage(checkpoint: Path, dice: random.Random) -> str:
    """Damage one file of the checkpoint by chance; says what was done."""
    file = dice.choice(sorted(path for path in checkpoint.rglob("*") if path.is_file()))
    kind = dice.choice(KINDS)
    name = file.relative_to(checkpoint)
    data = bytearray(file.read_bytes())
    if not data:
        kind = "append"
    match kind:
        case "flip":
            count = min(dice.choice((1, 8, 64)), len(data))
            for place in dice.sample(range(len(data)), count):
                data[place] ^= 1 << dice.randrange(8)
            done = f"{count} bits of {name} flipped"
        case "truncate":
            data = data[: dice.randrange(len(data))]
            done = f"{name} cut to {len(data)} bytes"
        case "append":
            data += b"\0"
            done = f"a byte added to {name}"
        case "swap":
            half = len(data) // 2
            swapped = data[half:] + data[:half]
            if swapped == data:
                swapped[0] ^= 255
            data = swapped
            done = f"the halves of {name} swapped"
        case _:
            file.unlink()
            return f"{name} deleted"
    file.write_bytes(data)
    return done


def cut_marker(checkpoint: Path) -> str:
    data = (checkpoint / MARKER).read_bytes()
    (checkpoint / MARKER).write_bytes(data[: len(data) // 2])
    return f"the marker of {checkpoint.name} cut in half"


def flip_in_marker(checkpoint: Path, dice: random.Random) -> str:
    data = bytearray((checkpoint / MARKER).read_bytes())
    place = dice.randrange(len(data))
    data[place] ^= 1 << dice.randrange(8)
    (checkpoint / MARKER).write_bytes(data)
    return f"bit in byte {place} of the marker of {checkpoint.name} flipped"
