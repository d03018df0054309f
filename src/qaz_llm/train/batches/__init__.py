"""Rows of a training as batches, the loss of a batch, and the proof that documents of one do not see each other."""
