"""A model as one GGUF file for llama.cpp: converted, read back and compared before it gets its name."""
