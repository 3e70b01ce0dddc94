"""What takes minutes: studies measured cell by cell, recorded, and resumed where they stopped."""
