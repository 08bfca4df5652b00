"""OVERRULES: the rules of inner layers, then those of machines, in the order in which they are applied.

Add one where two known things clash and one of them is known to be wrong: winner, loser, the reason, and who documents
it.
"""

from __future__ import annotations

from envinspect.resolver.overrules.inner import INNER_RULES
from envinspect.resolver.overrules.machines import MACHINE_RULES
from envinspect.resolver.overrules.rule import Rule

OVERRULES: tuple[Rule, ...] = (*INNER_RULES, *MACHINE_RULES)
