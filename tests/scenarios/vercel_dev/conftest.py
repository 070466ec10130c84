"""What is tried over the real `vercel dev`: `make test-vercel-dev`."""


def pytest_ignore_collect(config):
    return config.getoption("--server") != "vercel-dev" or None
