"""The plots of docs/benchmarks.md."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = ("#c44e52", "#dd8452", "#4c72b0", "#55a868", "#8172b3")
plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def _saved(figure, folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def _lines(axes, series, marker="o"):
    """One line for each series of spreads by count, with the fastest and the slowest as bars."""
    for (label, points), colour in zip(series.items(), COLOURS, strict=False):
        counts = [int(count) for count in points]
        medians = [point["median"] for point in points.values()]
        below = [point["median"] - point["min"] for point in points.values()]
        above = [point["max"] - point["median"] for point in points.values()]
        axes.errorbar(
            counts, medians, yerr=[below, above], label=label, color=colour, marker=marker, capsize=2
        )
    axes.set(xscale="log", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def signing(results, folder):
    """Time to sign, by the number of URLs."""
    figure, axes = plt.subplots(figsize=(6, 3.4))
    named = {"boto3": "boto3, generate_presigned_url in a loop", "ours": "lib/s3/presign.py"}
    _lines(axes, {text: {n: both[key] for n, both in results.items()} for key, text in named.items()})
    axes.set(xlabel="URLs", ylabel="milliseconds")
    _saved(figure, folder, "signing")


def thousand(results, folder):
    """A thousand URLs, from each peer."""
    figure, axes = plt.subplots(figsize=(6, 1.8))
    labels = list(results)[::-1]
    medians = [results[label]["median"] for label in labels]
    errors = [
        [results[label]["median"] - results[label]["min"] for label in labels],
        [results[label]["max"] - results[label]["median"] for label in labels],
    ]
    axes.barh(labels, medians, xerr=errors, color=COLOURS[2], capsize=2)
    axes.set(xlabel="milliseconds for 1,000 URLs")
    _saved(figure, folder, "thousand_urls")


def growth(results, folder):
    """Each request by the number of parts; a straight line at 45° grows as its input does."""
    figure, axes = plt.subplots(figsize=(6, 4))
    parts = results["parts"]
    series = {
        "register, with a URL for each part": results["urls"],
        "query, all parts uploaded": parts["query"],
        "record one part more": parts["record one more"],
        "complete": parts["complete"],
    }
    _lines(axes, series)
    axes.plot([1000, 10_000], [4, 40], color="grey", linestyle=":", linewidth=1)
    axes.text(10_500, 36, "10 × parts,\n10 × time", color="grey", fontsize=7)
    axes.set(xlabel="parts of the file", ylabel="milliseconds")
    _saved(figure, folder, "growth")


def throughput(results, folder):
    """Requests a second, by route and number of clients."""
    figure, axes = plt.subplots(figsize=(7, 3.2))
    width = 0.27
    for index, clients in enumerate(next(iter(results.values()))):
        rates = [route[clients]["per_second"] for route in results.values()]
        places = [n + (index - 1) * width for n in range(len(results))]
        bars = axes.bar(
            places,
            rates,
            width,
            label=f"{clients} client{'s' * (int(clients) > 1)}",
            color=COLOURS[index + 1],
        )
        axes.bar_label(bars, fmt="%.0f", fontsize=7)
    axes.set_xticks(range(len(results)), [name.replace(" (", "\n(") for name in results])
    axes.set(ylabel="requests a second")
    axes.legend(frameon=False)
    _saved(figure, folder, "throughput")


def cold_start(results, folder):
    """From the start of the process to the first answer, by function."""
    times = results["times"]
    figure, axes = plt.subplots(figsize=(7, 4.6))
    height = 0.2
    for index, variant in enumerate(next(iter(times.values()))):
        medians = [function[variant]["median"] for function in times.values()]
        places = [n + (index - 1.5) * height for n in range(len(times))]
        axes.barh(places, medians, height, label=variant, color=COLOURS[index])
    axes.set_yticks(
        range(len(times)), [name.removeprefix("api/").removeprefix("mocs/uploads/") for name in times]
    )
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.12), ncols=2)
    _saved(figure, folder, "cold_start")
