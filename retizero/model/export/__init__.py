"""Towers written for other runtimes, in a folder that is used like any other if it agrees."""
