"""A run's folder for tests, with a short socket path."""

from __future__ import annotations

from pathlib import Path

from shared.runtime.run_folder import RunFolder

TEXT = """[run]
stage = "demo"
run_id = "test-1"
install_id = "9f3ac21b77d0"
instrument = "ESZ24"
strategy = "ema_cross"
sock_dir = "{sock_dir}"
"""


def make_run(root: Path, sock_dir: Path | str = "/tmp/none", **changes: str) -> RunFolder:
    """Write a config and open it; a change replaces the value of a key."""
    lines = TEXT.format(sock_dir=sock_dir).splitlines()
    for key, value in changes.items():
        lines = [f'{key} = "{value}"' if line.startswith(f"{key} =") else line for line in lines]
    (root / "config.toml").write_text("\n".join(lines) + "\n")
    return RunFolder.open(root)
