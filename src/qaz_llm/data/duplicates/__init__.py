"""Equal and nearly equal texts, and lines that many texts share, found across all parts of a build in bounded memory."""
