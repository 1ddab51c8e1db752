"""The internet as RIPE's route collectors hear it: RIS Live tells the changes, RIPEstat the state."""
