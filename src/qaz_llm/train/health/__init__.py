"""Whether a training is still one: steps that diverge, weights that are no numbers, and what is done about them."""
