"""Run in a process of its own, `python -m qaz_llm.model.gguf.llama_process FILE`: a llama.cpp with one model, on loopback.

It prints its address, and ends when its standard input does. Keys and values are kept in float32, so that what differs from
transformers is the reading of the file and no rounding of the cache.
"""

from __future__ import annotations

import os
import sys

CONTEXT_TOKENS = 2048


def main() -> None:
    """Serve the model of the command line's file until standard input ends."""
    import xllamacpp

    asked = xllamacpp.CommonParams()
    asked.model.path, asked.n_ctx, asked.port, asked.n_parallel, asked.verbosity = sys.argv[1], CONTEXT_TOKENS, 0, 1, -1
    asked.warmup = False
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit():  # its own threads wait for each other awake, which on a busy machine takes for ever
        asked.cpuparams.n_threads = asked.cpuparams_batch.n_threads = int(threads)
    asked.cache_type_k = asked.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(asked)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
