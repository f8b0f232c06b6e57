"""What failed in a run: rules over log text and exit status, findings, and fixes that can be applied."""
