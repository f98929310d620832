# SPDX-License-Identifier: MIT
"""Drawings by gnuplot, in BUILD/bench beside the report."""

import subprocess

from cell import WAYS
from servers import BUILD

COLORS = dict(zip(WAYS, ("#d62728", "#1f77b4", "#7f7f7f", "#ff9900", "#9467bd", "#2ca02c", "#000000")))

def draw(name, size, *lines):
    """size: width and height in pixels, as in 900,400. lines: of the script."""
    head = (f"set terminal svg noenhanced size {size} background 'white' font 'sans,11'", f"set output '{BUILD}/bench/{name}.svg'", "set grid", "set key samplen 2")
    subprocess.run(["gnuplot"], input="\n".join((*head, *lines, "")), text=True, check=True)


def curves(series, style):
    """Lines of a script that plots {way: [(x, y)]}; in all drawings a way has the same color."""
    data = [f"$d{number} << E\n" + "\n".join(f"{x} {y}" for x, y in points) + "\nE" for number, points in enumerate(series.values())]
    point = " pt 7 ps 0.7" if style == "linespoints" else ""
    return *data, "plot " + ", ".join(f'$d{number} with {style} lw 2 lc rgb "{COLORS[way]}"{point} title "{WAYS[way]}"' for number, way in enumerate(series))
