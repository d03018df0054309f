"""What makes a text worth keeping: boilerplate lines, quality rules and a score; FineWeb-2's rules for comparison."""
