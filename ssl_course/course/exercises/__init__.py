"""The lectures' exercises: a module each, with a check for each exercise and the wrong answers that it
recognises.

A check takes the student's function or table, and the seed of what it is tried on; it answers with a
`card.Card` and raises nothing. ``judge`` compares functions with the right rule and with the rules that are
usually followed instead.
"""
