"""Preference pairs: two answers to the same question, of which one is preferred.

shapes.py finds the pair in a row of any of the hub's shapes, read.py reads files, render.py makes token ids of both answers,
packing.py rows of whole pairs. docs/methods.md says it in a user's words.
"""
