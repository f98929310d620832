# SPDX-License-Identifier: MIT
"""What the sections write: text and tables, figures that were to reach something, who is best at what, and
explanations, each with a figure that the same run has measured."""


def table(head, rows):
    """As Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def short(figure):
    return f"{figure:.0f}" if abs(figure) >= 1000 else f"{figure:.4g}"


SHORT = ("", "measured")


class Report:
    def __init__(self):
        self.parts, self.goals, self.best, self.reasons = [], [], [], []
        self.headline = {}  # what the README shows: {question: figure}

    def add(self, *parts):
        self.parts.extend(parts)

    def _verdict(self, what, figure, limit, at_least, shown, control, noise):
        reached = f"not measurable here now: {noise}" if noise else "yes" if (figure >= limit if at_least else figure <= limit) else "no"
        self.goals.append((what, shown, control, ("at least " if at_least else "at most ") + f"{limit:g}", reached))

    def compare(self, what, comparison, limit, at_least):
        """A goal for a Comparison."""
        self._verdict(what, comparison.figure, limit, at_least, str(comparison), f"{comparison.control:.3f}", comparison.noise)

    def count(self, what, figure, limit, at_least=False, noise=""):
        """A goal for what was counted, or is not relative to anything. noise: why it says nothing, or ""."""
        self._verdict(what, figure, limit, at_least, short(figure), "–", noise)

    def rank(self, question, figures, ours, lower=False):
        """Who is best, or all who are: {way: figure}; ours: the ways of this project."""
        pick = min if lower else max
        most = pick(figures.values())
        winners = " and ".join(way for way, figure in figures.items() if figure == most)
        own = pick((way for way in figures if way in ours), key=figures.get)
        self.best.append((question, winners, short(most), own, short(figures[own])))

    def explain(self, text):
        """A reason, with the figure that supports it, measured in this run."""
        self.reasons.append(text)

    def text(self, head):
        parts = [*head]
        if self.headline:
            parts += ["## In short", table(SHORT, self.headline.items())]
        if self.goals:
            parts += ["## Goals", "In brackets the interval of 95 %, by a bootstrap over the rounds; the control is what a comparison is based on over itself, measured once more in each round. "
                      "Where it is off by more than 3 %, a figure says nothing.", table(("", "figure", "control", "goal", "reached"), self.goals)]
        if self.best:
            parts += ["## Who is best at what", table(("", "best", "figure", "best of reuseport", "figure"), self.best)]
        if self.reasons:
            parts += ["## Why", "\n".join(f"- {reason}" for reason in self.reasons)]
        return "\n\n".join(parts + self.parts) + "\n"
