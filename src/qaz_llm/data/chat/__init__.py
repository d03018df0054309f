"""Instruction data: dialogues made from parallel pairs, questions, labels and chats, checked and written."""
