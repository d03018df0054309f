"""To and from lm-evaluation-harness: our tasks as its tasks, its answers as our items."""
