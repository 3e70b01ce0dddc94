"""Exercises, a module for each lecture: ``from ssl_course.exercises import lecture_01 as check``."""
