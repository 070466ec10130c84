"""`make example-uppy`: an Uppy app on its own origin, beside `make run`."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy

from dev.lan import port_of
from dev.npm import tool
from dev.processes import StackError

HERE = Path(__file__).resolve().parent
PORT = 5173  # Vite's, if PORT says nothing else


def bundle(folder: Path, api_url: str) -> None:
    """Write the app, one script and one stylesheet, into a folder."""
    esbuild = tool("uppy-6", "esbuild")
    copy(HERE / "index.html", folder)
    command = [
        str(esbuild), str(HERE / "app.js"), "--bundle", f"--outdir={folder}", f'--define:API_URL="{api_url}"',
        "--log-level=error",
    ]  # fmt: skip
    env = os.environ | {"NODE_PATH": str(esbuild.parent.parent)}
    subprocess.run(command, check=True, env=env)  # noqa: S603 - a program of the lockfile's


def listening(port: int, folder: str) -> ThreadingHTTPServer:
    """The server of a folder; raises `StackError`."""
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(SimpleHTTPRequestHandler, directory=folder))
    except OSError as error:
        raise StackError(
            f"Port {port} cannot be used ({error.strerror}): choose another with PORT=…"
        ) from None


def main() -> None:
    """Serve it until Ctrl-C."""
    api_url = os.environ.get("API_URL", "http://localhost:3000")
    with tempfile.TemporaryDirectory() as folder:
        try:
            port = port_of(os.environ, PORT)
            server = listening(port, folder)
            bundle(Path(folder), api_url)
        except StackError as error:
            sys.exit(str(error))
        with server:
            print(f"Open http://localhost:{port}/. The API must allow it:", flush=True)
            print(f"  ALLOWED_ORIGINS=http://localhost:{port} make run", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("\nStopped.")


if __name__ == "__main__":
    main()
