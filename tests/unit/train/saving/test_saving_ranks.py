"""Two processes that save: both know what either could not write, and the files of both are in the marker."""

import os
import socket
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, sys, time
from pathlib import Path
import torch, torch.distributed as dist
from qaz_llm.errors import WriteError
from qaz_llm.train.saving.checkpoint import newest_verified, staging_folder
from qaz_llm.train.saving.saver import CheckpointSaver

folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
dist.init_process_group("gloo")
for beside in (False, True):
    saver = CheckpointSaver(folder, identity={}, keep=2, beside=beside)
    def write(step, value):
        staged = staging_folder(folder) / f"checkpoint-{step}"
        staged.mkdir(parents=True, exist_ok=True)
        name = staged / (f"missing/rank-{rank}.pt" if rank == 1 and value is None else f"rank-{rank}.pt")
        torch.save({"v": torch.tensor(value or 0.0)}, name)
    step = 10 + beside
    saver.save(step, lambda: write(step, 1.0), check=lambda: None)
    saver.wait()
    try:
        saver.save(step + 10, lambda: write(step + 10, None), check=lambda: None)
        while True:
            saver.poll()
            time.sleep(0.05)
    except WriteError as error:
        print("said", rank, beside, str(error).count("could not be written"))
    found = newest_verified(folder)
    print("found", rank, found.step, found.world_size, len(list(found.path.glob("rank-*"))))
    saver.close()
dist.destroy_process_group()
"""


def test_what_one_cannot_write_both_say(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)],
            env=os.environ | common | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for rank, process in enumerate(processes):
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err[-3000:]
        for beside, step in ((False, 10), (True, 11)):
            assert f"said {rank} {beside} 1" in out
            assert f"found {rank} {step} 2 2" in out
