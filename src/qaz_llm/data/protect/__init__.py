"""What must not be in training text: personal data, and evaluation items."""
