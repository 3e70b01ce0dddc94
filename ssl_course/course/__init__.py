"""What a lecture is made of beside its widgets: cards, guesses, exercises, figures, colours,
the table of equations."""
