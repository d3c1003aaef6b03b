"""Chapters of the report: each draws the numbers of one question."""
