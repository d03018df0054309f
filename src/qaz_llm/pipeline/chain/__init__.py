"""A `qaz run` as jobs of Slurm, each waiting for the one before: what they are, what is missing of them, how they stand."""
