"""The schema of the reader study and its changes, in order; run by ``Database.create``."""
