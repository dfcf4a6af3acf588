"""What every end-to-end run needs: processes, the loop, what a run remembers, its journal."""
