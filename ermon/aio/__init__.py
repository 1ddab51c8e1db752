"""What every program of this kind needs: work on threads, waits after failures, files that are whole."""
