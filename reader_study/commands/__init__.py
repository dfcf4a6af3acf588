"""The commands of ``python -m reader_study``, a file for each group."""
