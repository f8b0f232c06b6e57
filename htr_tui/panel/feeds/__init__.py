"""Threads that read files, processes and devices, and put frozen records into the store."""
