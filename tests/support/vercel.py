"""The API as Vercel builds and runs it."""

from dev.vercel.build import ensure_built
from dev.vercel.built_server import BuiltServer
from dev.vercel.dev import VercelDev

__all__ = ["VercelDev", "vercel_server"]


def vercel_server(env, log):
    """The last build, or a new one where the sources have changed; a context manager."""
    return BuiltServer(ensure_built(), env, log)
