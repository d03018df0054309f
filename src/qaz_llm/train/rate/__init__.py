"""The learning rate: what it is where nothing else is said, and how to find one on the text and the model at hand."""
