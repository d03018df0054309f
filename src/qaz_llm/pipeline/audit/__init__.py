"""What an auditor, or the owner, is shown of a run: gathered into one folder, without a path of the machine in it."""
