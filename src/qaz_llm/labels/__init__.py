"""Labels of machine-made text, made and read: C2PA 2.4, A.8, by c2patxt, which functions here import when they are called."""
