"""What there is before the first step: tokenizer, rows, model, arguments, and what identifies a run."""
