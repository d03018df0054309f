"""Here, so that pytest puts this folder on the path of all tests below it: train_configs.py serves them."""
