"""Other people's studies as read-only study folders of ours."""
