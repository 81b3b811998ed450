"""How messages cross between processes: codec, gap detection, commands, replicas. All pure."""
