"""Exercises, a module for each lecture: ``from ssl_course.course.exercises import lecture_01 as check``."""
