"""The training loop: trainer, optimizer, schedule, and what happens between two steps."""
