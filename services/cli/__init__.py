"""The command line: makes runs, starts and stops their processes, shows what they say."""
