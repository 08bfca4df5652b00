"""OVERRULES: the rules of machines and of inner layers, in the order in which they are applied."""

from envinspect.overrules import Rule

OVERRULES: tuple[Rule, ...] = ()
