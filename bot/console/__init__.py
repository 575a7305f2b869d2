"""Pages for the company's own people."""
