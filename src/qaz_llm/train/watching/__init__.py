"""What is seen of a training while it runs and after it: rows of metrics, one live line, held-out numbers, samples, trackers."""
