"""The screens and dialogs of the panel."""
