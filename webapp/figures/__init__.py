"""Plotly figures. They draw what they are given and compute nothing; every colour comes from ``theme``."""
