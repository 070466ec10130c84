"""Writes down how to use the running stack: `.dev/env` for a shell, `.env` for `vercel dev`."""

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

KEYS = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
WRITTEN_DOWN = (
    "DATABASE_URL", "S3_ENDPOINT_URL", *(f"AWS_{key}" for key in KEYS), *(f"S3_{key}" for key in KEYS),
    "S3_REGION", "MOC_BUCKET", "API_URL", "AUTH_BYPASS", "RATE_LIMIT_BYPASS", "VERCEL_ENV", "ALLOWED_ORIGINS",
)  # fmt: skip
OURS = "# Written by `make run`, for `vercel dev`; `make clean` removes it. Your own file is left alone.\n"


def write_shell_file(env: Mapping[str, str], path: Path) -> None:
    """Write the variables for `set -a && . FILE`."""
    write_whole(path, "".join(f"{name}={shlex.quote(env[name])}\n" for name in WRITTEN_DOWN if name in env))


def write_vercel_file(env: Mapping[str, str], path: Path, names: Iterable[str] = WRITTEN_DOWN) -> bool:
    """Write these variables where `vercel dev` reads them, and answer whether that was done.

    The CLI refuses AWS's own names there. A file that `make run` has not written stays as it is.
    """
    if os.path.lexists(path) and not _is_ours(path):
        return False
    known = {name: env[name] for name in names if env.get(name) and name != "API_URL"}
    if not known.get("S3_ACCESS_KEY_ID"):
        known = {name.replace("AWS_", "S3_"): value for name, value in known.items()}
    lines = [f"{name}={_quoted(value)}\n" for name, value in known.items() if not name.startswith("AWS_")]
    write_whole(path, OURS + "".join(lines))
    return True


def _quoted(value: str) -> str:
    """As the CLI reads it (dotenv 4.0.0 takes off the outer quotes, and knows no shell's `'"'"'`)."""
    return f'"{value}"' if "'" in value else shlex.quote(value)


def _is_ours(path: Path) -> bool:
    """Whether `make run` wrote it; no folder, pipe or link is, nor what cannot be read."""
    try:
        return path.is_file() and not path.is_symlink() and path.read_bytes().startswith(OURS.encode())
    except OSError:
        return False


def write_whole(path: Path, text: str) -> None:
    """Write a file that only its owner reads: whole, or not at all if we die or the disk is full."""
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)
