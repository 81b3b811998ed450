"""The Grafana dashboards, built in code: what stands on each page, and how it becomes a file."""
