"""Faster ways to compute what a model computes: attention within documents, the loss without logits, compiled layers, 8 bit.

Each gives the numbers of the plain way, but for rounding, and is chosen by a key of the config.
"""
