"""A gateway in front of an engine that runs a model: keys, limits, labels, and answers about what the engine cannot do.

The engine (transformers serve, vLLM, llama.cpp) computes; nothing here does. It listens on the loopback address alone.
"""
