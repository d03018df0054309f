"""How many tokens of each language and source a training run sees."""
