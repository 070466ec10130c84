"""docs/benchmarks.md, from the results of one run."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import plots

FOLDER = Path(__file__).resolve().parent.parent / "docs"
NOTES = (Path(__file__).parent / "notes.md").read_text()


def spread(one):
    """A spread as text."""
    return f"{one['median']:.1f} ({one['min']:.1f}–{one['max']:.1f})"


def table(head, rows):
    """A Markdown table."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def times_faster(slow, fast):
    """A ratio of medians."""
    return f"{slow['median'] / fast['median']:.1f} ×"


def signing(results):
    """Signing alone."""
    rows = [
        [f"{int(n):,}", spread(one["boto3"]), spread(one["ours"]),
         f"{one['ours']['median'] * 1000 / int(n):.1f}", times_faster(one["boto3"], one["ours"])]
        for n, one in results.items()
    ]  # fmt: skip
    return table(["URLs", "boto3, ms", "`lib/s3/presign.py`, ms", "µs a URL", "faster"], rows)


def thousand(results):
    """This API and its peers."""
    ours = results["this API"]
    rows = [[name, spread(one), times_faster(one, ours)] for name, one in results.items()]
    return table(["1,000 URLs from", "ms", "of ours"], rows)


def one_call(results):
    """This API, its peers and the bare cost, by the number of URLs."""
    names = list(next(iter(results.values())))
    head = ["URLs", *(f"{name}: ms, CPU ms" for name in names)]
    rows = [
        [
            f"{int(count):,}",
            *(f"{one[n]['wall']['median']:.1f}, {one[n]['cpu']['median']:.1f}" for n in names),
        ]
        for count, one in results.items()
    ]
    return table(head, rows)


def routes(results):
    """CPU time a call, by route."""
    rows = [[name, f"{one['cpu']['median']:.1f}", spread(one["wall"])] for name, one in results.items()]
    return table(["Call", "CPU of the server, ms", "ms"], rows)


def throughput(results):
    """Requests a second."""
    rows = [
        [name, clients, f"{one['per_second']:.0f}", f"{one['p50']:.1f}", f"{one['p99']:.1f}", one["n"]]
        for name, route in results.items()
        for clients, one in route.items()
    ]
    return table(["Route", "Clients", "Requests a second", "p50, ms", "p99, ms", "Requests"], rows)


def growth(results):
    """Each row beside the one before it."""
    series = {"register with URLs": results["urls"]} | results["parts"]
    rows = []
    for name, points in series.items():
        counts = list(points)
        for before, count in zip([None, *counts], counts, strict=False):
            more = f"{int(count) / int(before):.0f} ×" if before else ""
            longer = times_faster(points[count], points[before]) if before else ""
            rows.append([name, f"{int(count):,}", spread(points[count]), more, longer])
    return table(["Request", "Parts", "ms", "Parts, of the row above", "Time, of the row above"], rows)


def million(results):
    """Before and after, and the plan."""
    rows = [
        [name, spread(results["before"][name]), spread(results["after"][name]),
         times_faster(results["after"][name], results["before"][name])]
        for name in results["before"]
    ]  # fmt: skip
    plan = "\n".join(results["plan"])
    sizes = f"{results['sessions']:,} sessions, {results['of the user']:,} of them the caller's"
    head = ["Request", "Some sessions, ms", f"{sizes}, ms", "Time"]
    return f"{table(head, rows)}\n\nThe plan of the rate limit's query then:\n\n```text\n{plan}\n```"


def cold_start(results):
    """Each function in all its variants."""
    if "skipped" in results:
        return f"Not measured in this run: {results['skipped']}"
    times, sizes = results["times"], results["sizes"]
    variants = list(next(iter(times.values())))
    rows = []
    for name, one in times.items():
        slow = one["source alone"]
        rows.append([f"`{name}`", *(f"{one[v]['median']:.0f}" for v in variants),
                     f"{one['as deployed']['median'] / slow['median']:.2f}"])  # fmt: skip
    rows.append(["MB of one bundle", *(f"{sizes[v] / 1e6:.0f}" for v in variants), ""])
    head = ["Function, median ms", *variants, "as deployed : source alone"]
    return table(head, rows)


SECTIONS = {
    "signing": signing, "thousand": thousand, "one_call": one_call, "routes": routes,
    "throughput": throughput, "growth": growth, "million": million, "cold_start": cold_start,
}  # fmt: skip


def _processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return ", ".join(sorted(names)) or platform.processor() or platform.machine()


def write(results):
    """Write the page and its plots."""
    images = FOLDER / "images"
    plots.signing(results["signing"], images)
    plots.thousand(results["thousand"], images)
    plots.growth(results["growth"], images)
    plots.throughput(results["throughput"], images)
    if "skipped" not in results["cold_start"]:
        plots.cold_start(results["cold_start"], images)
    text = NOTES
    for name, section in SECTIONS.items():
        found = results["growth"]["million"] if name == "million" else results[name]
        text = text.replace(f"<!-- {name} -->", section(found))
    machine = (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({_processor()}), {platform.system()}, "
        f"Python {platform.python_version()}, in {results['seconds']:.0f} s; "
        f"the machine's load was {results['load']:.1f} before it began"
    )
    (FOLDER / "benchmarks.md").write_text(text.replace("<!-- machine -->", machine))
