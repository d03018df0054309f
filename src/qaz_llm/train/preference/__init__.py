"""Learning from preference pairs (DPO and its kin): collate.py numbers the sequences of a batch, losses.py compares, reference.py
keeps what the model that training began with says, trainer.py puts the loss into the loop.
"""
