"""Means, paired differences and their uncertainty, for scores whose items come in clusters.

Items that share a passage are not independent, so standard errors are clustered (Miller, "Adding Error Bars to Evals", arXiv
2411.00640, 2024, §2.2); shares near 0 and 1 get intervals that hold there too. See the file of each job:

    clusters     means, ratios and clustered standard errors        differences   paired differences, p, what could be found
    intervals    of means, of shares, of differences of shares      many          Holm's correction for several tests
    checks       the same by other methods: bootstrap, McNemar      margins       whether a loss is smaller than a margin
    student      Student's t                                        correlations  the interval of a correlation
"""

from qaz_llm.evals.stats.checks import SecondLook, bootstrap_interval, exact_mcnemar, second_look
from qaz_llm.evals.stats.clusters import ALPHA, Estimate, Limits, mean_with_interval
from qaz_llm.evals.stats.correlations import CORRELATIONS, LEAST_ITEMS, correlation_with_interval
from qaz_llm.evals.stats.differences import POWER, PairedDifference, paired_difference
from qaz_llm.evals.stats.intervals import unseen_share
from qaz_llm.evals.stats.many import holm
from qaz_llm.evals.stats.margins import Verdict, margin_verdict, verdict_of_all
from qaz_llm.evals.stats.student import t_quantile, two_sided_p

__all__ = [
    "ALPHA",
    "CORRELATIONS",
    "LEAST_ITEMS",
    "POWER",
    "Estimate",
    "Limits",
    "PairedDifference",
    "SecondLook",
    "Verdict",
    "bootstrap_interval",
    "correlation_with_interval",
    "exact_mcnemar",
    "holm",
    "margin_verdict",
    "mean_with_interval",
    "paired_difference",
    "second_look",
    "t_quantile",
    "two_sided_p",
    "unseen_share",
    "verdict_of_all",
]
