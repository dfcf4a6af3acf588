"""Documentation, and the program that writes what can be written from the code."""
