"""The simulated exchange as a process: broker account and recorded feed."""
