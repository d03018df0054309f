"""How a model behaves beside being right: which language it answers in, and whether it says the same in every language."""
