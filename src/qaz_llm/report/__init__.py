"""Reports that a person reads: charts and pages as HTML strings, self-contained, no JavaScript, no external file."""
