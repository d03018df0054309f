"""What can be known to go wrong before hours are spent, looked at on every node before any weights are loaded.

room.py        an output folder that cannot be written, a disk too small; of a process that is alone this is all
facts.py       what is known of a node and of a process: records, as JSON between processes
signs.py       what says that a node has GPUs, though torch may see none
gather.py      a node asked: nvidia.py its GPUs, kernel_log.py the kernel's messages, gather.py all else
findings.py    what is wrong with whom; fault.py: where all nodes have it, the path's or the command's fault
checks.py      one node's facts → findings
agreement.py   all processes' facts → findings: the same code, config, versions, folders, clocks
bandwidth.py   how fast each process computes and each pair of places talks, measured; rates.py: what is too slow, and whose fault
meeting.py     how processes talk before there is a process group, and who never came
verdict.py     how a run ends on a bad node: exit code 69, and its name where the batch script reads it
nodes.py       all of it in order
"""

from qaz_llm.cluster.preflight.room import preflight

__all__ = ["preflight"]
