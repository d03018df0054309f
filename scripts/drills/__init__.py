"""Faults made on purpose, and what a training run makes of them."""
