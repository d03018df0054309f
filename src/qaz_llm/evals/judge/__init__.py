"""A language model behind a server as judge of answers that no rule can score: harmful or not, good or bad."""
