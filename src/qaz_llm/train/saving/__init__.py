"""Checkpoints: written, marked as whole, found damaged, gone on from; and the model folder at the end."""
