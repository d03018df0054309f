"""The `qaz` command: parses, calls, prints; what the commands do lies in the rooms.

Exit codes: 0 done, 2 the user's input is wrong, 1 the work failed. Rooms are imported inside the commands that need
them, so `qaz --help` answers at once.
"""

from qaz_llm.cli.entry import app, main

__all__ = ["app", "main"]
