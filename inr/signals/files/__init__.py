"""File formats: one reader per format, and the one place that recognises formats."""
