"""Rules on the way from nothing to ready, which contains a transfer."""

from dataclasses import dataclass, replace

from envbench.records.phases import Experiment
from envbench.records.samples import variant_keys
from envreport.claims.combine import AllOf, OfOne
from envreport.claims.model import Need, Outcome, Rule, shown
from envreport.claims.rules import C, Ratio, V, conclude, find, pairs, unpaired
from envreport.results import Results, Series
from envreport.results.backends import is_from_nothing

BASE_THERE = "its base was there before: not from nothing"


@dataclass(frozen=True, slots=True)
class FromNothing(Ratio):
    """The ratio of what it takes from nothing, of two ways with the same payload at the same bandwidth.

    An image whose base was there before is shown and decides nothing.
    """

    def judge(self, results: Results) -> Outcome:
        """Compare every pair that had the same bandwidth."""
        tops, bottoms = (find(results, self.experiment, self.metric, sides) for sides in (self.over, self.under))
        found = []
        for top, bottom in pairs(tops, bottoms):
            if _bandwidth(top) == _bandwidth(bottom):
                finding = self._finding(results, top, bottom)
                is_whole = all(is_from_nothing(each.key.variant) for each in (top, bottom))
                found.append(finding if is_whole else shown(finding, BASE_THERE))
        return conclude(found, self.quantifier, self.bias, unpaired(self.needs(), tops, bottoms))


def _bandwidth(series: Series) -> str:
    return variant_keys(series.key.variant).get("bandwidth", "")


READY_FROM_NOTHING = FromNothing(Experiment.DEPLOY, "deploy_ready", V, C)


@dataclass(frozen=True, slots=True)
class WithTransfer(OfOne):
    """A rule that has to hold with the transfer as well, where that was measured."""

    transfer: Rule

    def describe(self) -> str:
        """Return both rules in words."""
        return f"{self.rule.describe()}; and, where it was measured, {self.transfer.describe()}"

    def needs(self) -> tuple[Need, ...]:
        """Return the needs of both."""
        return tuple(dict.fromkeys((*self.rule.needs(), *self.transfer.needs())))

    def judge(self, results: Results) -> Outcome:
        """Judge both where both have an answer, else the rule alone."""
        own, transfer = self.rule.judge(results), self.transfer.judge(results)
        if own.weighed is None or transfer.weighed is None:
            return replace(own, findings=(*own.findings, *map(shown, transfer.findings)))
        return AllOf((self.rule, self.transfer)).judge(results)
