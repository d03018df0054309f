"""What an answer in words says: a choice, a number, the same words with other endings."""
