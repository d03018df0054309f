"""qaz-llm: raw Kazakh text in, a Kazakh-capable language model and an honest kk / ru / en comparison out."""

__version__ = "0.1.0"
