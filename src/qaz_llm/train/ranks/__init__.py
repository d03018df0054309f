"""Several processes as one: how they meet, share out a model, and notice who has fallen silent."""
