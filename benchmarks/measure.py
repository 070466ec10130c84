"""Times, and what is said of them."""

import http.client
import statistics
import threading
import time
from urllib.parse import urlsplit


def milliseconds(call):
    """How long a call takes, and what it answers."""
    start = time.perf_counter()
    result = call()
    return (time.perf_counter() - start) * 1000, result


def spread(times):
    """The median of some times in milliseconds, with the fastest and the slowest."""
    return {"median": statistics.median(times), "min": min(times), "max": max(times), "n": len(times)}


def side_by_side(calls, runs):
    """Time several calls in turns, so that what else the machine does falls on all of them alike."""
    times = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            times[name].append(milliseconds(call)[0])
    return {name: spread(taken) for name, taken in times.items()}


def percentile(times, share):
    """The time below which this share of the times lies."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


class Http:
    """One connection to a server, kept open; cheaper than a real client, so that the server is measured."""

    def __init__(self, url, headers=None):
        self._address = urlsplit(url)
        self._connection = http.client.HTTPConnection(self._address.hostname, self._address.port, timeout=60)
        self._headers = {"Content-Type": "application/json"} | (headers or {})

    def __call__(self, method, path, body=None):
        """The body of a success."""
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        if not 200 <= response.status < 300:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        return content


def load(url, calls, clients, seconds):
    """Send calls (method, path, body) from so many clients at once, until they or the time run out."""
    calls, lock, times = iter(calls), threading.Lock(), []
    started = time.perf_counter()

    def client():
        http = Http(url)
        while time.perf_counter() - started < seconds:
            with lock:
                call = next(calls, None)
            if call is None:
                return
            taken, _ = milliseconds(lambda call=call: http(*call))
            times.append(taken)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    return {
        "per_second": len(times) / elapsed,
        "p50": percentile(times, 0.5),
        "p99": percentile(times, 0.99),
        "n": len(times),
    }
