# SPDX-License-Identifier: MIT
"""Interleaved rounds, and what can be said from them: each comparison has a control, the base measured once more
in the same rounds, and an interval."""

import math
import random
import statistics

OFF = 0.03  # by how much a control may differ from 1
DRAWS = 2000


def rounds_of(forms, start, measure, rounds):
    """{form: [measurement of each round]}; and {form: [what the processes had printed at their end, in each round]}.
    start(*form) is a context that gives the processes."""
    results, outputs = {form: [] for form in forms}, {form: [] for form in forms}
    for number in range(rounds):
        # In another order each time: what comes after what may matter.
        for form in forms[number % len(forms):] + forms[:number % len(forms)]:
            with start(*form) as processes:
                results[form].append(measure())
            outputs[form].append("".join(process.stdout.read() for process in processes if process.stdout))
    return results, outputs


def percentile(values, share):
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


def spread(values):
    digits = 0 if min(values) >= 100 else 1
    return f"{min(values):.{digits}f} – {max(values):.{digits}f}"


def ratio(values, base):
    """The median of the ratios of what was measured in the same round."""
    return statistics.median(a / b for a, b in zip(values, base))


def interval(values):
    """Between which bounds the median is, with 95 % confidence: a bootstrap over the rounds, the same each time."""
    chance = random.Random(1)
    medians = [statistics.median(chance.choices(values, k=len(values))) for _ in range(DRAWS)]
    return percentile(medians, 0.025), percentile(medians, 0.975)


class Comparison:
    """What was measured of one form over the base, which each round measured twice: ratios are to the mean of both."""

    def __init__(self, values, base, again):
        self.ratios = [2 * value / (a + b) for value, a, b in zip(values, base, again)]
        self.figure = statistics.median(self.ratios)
        self.low, self.high = interval(self.ratios)
        self.control = ratio(again, base)

    @property
    def noise(self):
        """Why it says nothing, or ""."""
        off = abs(self.control - 1)
        return f"the control is off by {off * 100:.0f} %" if off > OFF else ""

    @property
    def bounds(self):
        return f"{self.low:.3f} – {self.high:.3f}"

    def __str__(self):
        return f"{self.figure:.3f} ({self.bounds})"

    def with_control(self):
        """For where it stands alone."""
        return f"not measurable in this run: {self.noise}" if self.noise else f"{self}, control {self.control:.3f}"
