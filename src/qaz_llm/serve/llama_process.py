"""llama.cpp's server from the package xllamacpp, as a program: `python -m qaz_llm.serve.llama_process GGUF PORT TOKENS SLOTS NAME`.

Used where there is no `llama-server` on the PATH. Its key comes in LLAMA_API_KEY, where llama-server looks for it, too.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

KEY_VARIABLE = "LLAMA_API_KEY"


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal ends the process."""
    import xllamacpp

    path, port, tokens, slots, name = arguments
    asked = xllamacpp.CommonParams()
    asked.model.path = path
    asked.port = int(port)
    asked.n_ctx, asked.n_parallel = int(tokens), int(slots)
    asked.use_jinja = True
    asked.model_alias = {name}
    asked.api_keys = [os.environ[KEY_VARIABLE]]
    asked.verbosity = 0
    server = xllamacpp.Server(asked)
    if not server.listening_address.endswith(f":{port}"):
        sys.exit(f"llama.cpp listens at {server.listening_address}: address already in use")
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
