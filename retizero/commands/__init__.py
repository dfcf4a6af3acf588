"""The ``retizero`` commands: one file per group, each a thin call into the rooms."""
