"""docs/results/slurm.md from the outcomes of scripts/slurm_drills.py."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from drills.slurm_outcome import SAVE_EVERY, STEPS, Outcome

HEAD = f"""# Jobs on a real Slurm

```
scripts/slurm_test_cluster.sh up
python scripts/slurm_drills.py --json FILE --page docs/results/slurm.md
```

{{machine}}, Slurm 22.05 with two node daemons on one machine, jobs by `sbatch`, gloo. A run of the drills has {STEPS} steps
of a tiny model, saves every {SAVE_EVERY} of them (while training waits, so that "one interval" is exact) and is struck three times: at a random
moment of its start and at two random steps. Nobody did anything but the fault itself; a node that died was started again after Slurm
had requeued the job. *Again*: the most steps that one fault made be trained once more. Shape: nodes × tasks on each.
*Held*: when (UTC), and with which version; what was changed in the job scripts after that is not in the row.
Seconds are those of a machine that may do other work, and hold two starts of a training or more: they compare with nothing.

Not held: anything on GPUs, NCCL or InfiniBand, containers, more than two nodes, nodes that are machines of their own.

| drill | held | shape | faults | restarts | again | seconds | found |
|---|---|---|---|---|---|---|---|
"""


def page(outcomes: Mapping[str, Outcome], names: Sequence[str]) -> str:
    """The page, with the drills in this order; those that were not held are left out, and counted."""
    held = [outcomes[name] for name in names if name in outcomes]
    rows = [
        f"| {one.drill} | {one.held} | {one.shape} | {one.faults} | {one.restarts} | {one.lost_steps} | {one.seconds:.0f} | {_found(one)} |"
        for one in held
    ]
    passed = sum(one.passed for one in held)
    left = [name for name in names if name not in outcomes]
    end = f"\n\n{passed} of {len(held)} drills are passed" + (f"; not held: {', '.join(left)}." if left else ".")
    return HEAD.replace("{machine}", f"{os.cpu_count()} CPU cores") + "\n".join(rows) + end + "\n"


def _found(outcome: Outcome) -> str:
    return "; ".join([*(f"**{problem}**" for problem in outcome.problems), *outcome.checks]).replace("|", "\\|")
