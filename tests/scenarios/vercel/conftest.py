"""What holds only under Vercel's own build and runtime: `make test-vercel`."""


def pytest_ignore_collect(config):
    return config.getoption("--server") != "vercel" or None
