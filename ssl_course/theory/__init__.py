"""What the note claims, in exact sums and closed forms."""
