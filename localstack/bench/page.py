"""One HTML page of plots from a result of the bench: `python page.py RESULTS.json PAGE.html [--pictures FOLDER]`.

Runs in the environment that has matplotlib and Jinja (requirements.txt beside it) and imports nothing of ours. The page
holds its pictures (SVG) and needs no script and no network. --pictures also writes each as a file.
"""

import argparse
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Run = Mapping[str, Any]
_WIDTH, _HEIGHT = 9.0, 3.6
# Okabe and Ito's, which colour-blind people can tell apart.
_COLOURS = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#999999",
    "#332288",
    "#117733",
)
# How the percentiles are spread: the last one in a thousand is as wide as the first half.
_NINES = (0.0, 50.0, 90.0, 99.0, 99.9)
_POINTS = 240
_MANY = 50
_TEMPLATES = Path(__file__).parent


def _name(run: Run) -> str:
    parts = [run["row"], *([] if run["server"] == "own" else [run["server"]])]
    return ", ".join([*parts, *([f"{run['history']:,} orders before"] if run["history"] else [])])


def _axes(title: str, x: str, y: str, height: float = _HEIGHT) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _by_second(moments: Sequence[float]) -> list[int]:
    counts = [0] * (int(max(moments)) + 1)
    for moment in moments:
        counts[max(int(moment), 0)] += 1
    return counts


def throughput(runs: Sequence[Run]) -> Figure | None:
    """Orders that ended in each second."""
    shown = [run for run in runs if len(run["moments"].get("ended", ())) > 1]
    if not shown:
        return None
    figure, axes = _axes("Throughput over time", "seconds since the load began", "orders that ended, a second")
    for run, colour in zip(shown, _COLOURS * len(shown), strict=False):
        axes.plot(_by_second(run["moments"]["ended"]), label=_name(run), color=colour, drawstyle="steps-post")
    axes.legend(fontsize=8, frameon=False)
    axes.set_ylim(bottom=0)
    return figure


def _nines(rank: float) -> float:
    """Where a percentile stands on the axis."""
    for number, (low, high) in enumerate(zip(_NINES, (*_NINES[1:], 100.0), strict=True)):
        if rank <= high:
            return number + (rank - low) / (high - low)
    raise ValueError(rank)


def latencies(runs: Sequence[Run], sample: str) -> Figure | None:
    """Every percentile of a latency, of all samples."""
    shown = [run for run in runs if len(run["samples"].get(sample, ())) > 1]
    if not shown:
        return None
    figure, axes = _axes(f"Latency: {sample}", "percentile of all samples", "milliseconds")
    for run, colour in zip(shown, _COLOURS * len(shown), strict=False):
        ordered = sorted(run["samples"][sample])
        step = max(len(ordered) // _POINTS, 1)
        # Every step-th, and all of the last ones, which the axis stretches.
        kept = [number for number in range(len(ordered)) if number % step == 0 or number >= len(ordered) - _POINTS]
        ranks = [_nines((number + 1) / len(ordered) * 100) for number in kept]
        axes.plot(
            ranks,
            [max(ordered[number], 0.1) for number in kept],
            label=f"{_name(run)} ({len(ordered):,})",
            color=colour,
        )
    axes.set_yscale("log")
    axes.set_xticks([_nines(rank) for rank in (*_NINES, 100.0)], ["0", "50", "90", "99", "99.9", "100"])
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    return figure


def _stacked(title: str, unit: str, bars: Mapping[str, Mapping[str, float]], parts: Sequence[str]) -> Figure:
    figure, axes = _axes(title, unit, "", height=1.6 + 0.45 * len(bars))
    left = dict.fromkeys(bars, 0.0)
    for part, colour in zip(parts, _COLOURS * len(parts), strict=False):
        widths = [bars[name].get(part, 0.0) for name in bars]
        axes.barh(list(bars), widths, left=list(left.values()), label=part, color=colour)
        left = {name: left[name] + width for name, width in zip(bars, widths, strict=True)}
    for name, total in left.items():
        axes.annotate(f" {total:,.1f}", (total, name), va="center", fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _largest_first(bars: Mapping[str, Mapping[str, float]]) -> list[str]:
    sums: dict[str, float] = {}
    for parts in bars.values():
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value
    return sorted((name for name in sums if sums[name] > 0), key=lambda name: -sums[name])


def stages(runs: Sequence[Run]) -> Figure | None:
    """How long orders stayed in each status."""
    bars = {_name(run): run["stages"] for run in runs if run["stages"]}
    if not bars:
        return None
    # In the order in which orders went through them.
    names = list(dict.fromkeys(name for bar in bars.values() for name in bar))
    return _stacked("Where an order's time goes", "milliseconds in each status, on average", bars, names)


def processor(runs: Sequence[Run]) -> Figure | None:
    """Processor time an order by process."""
    # What runs anyway, as looking for messages does, would be most of a few orders'.
    bars = {_name(run): run["processor"] for run in runs if run["processor"] and len(run["moments"]["ended"]) >= _MANY}
    if not bars:
        return None
    return _stacked("Processor time of an order", "milliseconds, by process", bars, _largest_first(bars))


def costs(runs: Sequence[Run]) -> Figure | None:
    """A million orders on AWS by item."""
    bars = {name: items for run in runs for name, items in run["items"].items()}
    return _stacked("A million orders on AWS", "USD, by item", bars, _largest_first(bars)) if bars else None


def figures(results: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """Every plot that the results have samples for, by name."""
    runs: Sequence[Run] = results["runs"]
    made = {
        "throughput": throughput(runs),
        "post": latencies(runs, "POST"),
        "order": latencies(runs, "order to end"),
        "frame": latencies(runs, "commit → frame"),
        "stages": stages(runs),
        "processor": processor(runs),
        "cost": costs(runs),
    }
    yield from ((name, figure) for name, figure in made.items() if figure is not None)


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _verdict(value: Mapping[str, Any]) -> str:
    measured, target = value["value"], value["target"]
    if measured is None or target is None:
        return ""
    met = measured <= target if value["better"] == "≤" else measured >= target
    return "reached" if met else "missed"


def page(results: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The whole page, from the template beside this file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [(_name(run), value, _verdict(value)) for run in results["runs"] for value in run["values"]]
    # What precedes <svg is for a file of its own.
    drawn = [picture[picture.index("<svg") :] for picture in pictures.values()]
    return environment.get_template("page.html").render(results=results, rows=rows, pictures=drawn)


def main() -> None:
    """Writes the page and, where asked, the pictures."""
    parser = argparse.ArgumentParser(description="Draws a result of ./dev bench --json.")
    parser.add_argument("results", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    # Text stays text: small, and found by a search in the page.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9})
    results = json.loads(asked.results.read_text())
    pictures = {name: _svg(figure) for name, figure in figures(results)}
    asked.page.write_text(page(results, pictures))
    if asked.pictures:
        for name, text in pictures.items():
            (asked.pictures / f"bench-{name}.svg").write_text(text)


if __name__ == "__main__":
    main()
