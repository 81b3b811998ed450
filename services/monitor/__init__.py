"""Logger and monitor: answers "what is going on", merges the logs, explains a trade afterwards."""
