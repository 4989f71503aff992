"""Budgets that do not depend on the speed of a machine."""

RESOURCES = 20_000_000  # z3's own deterministic measure of work, for one question
ENUMERATED = 4_096  # inputs that are tried one by one when no rule applies
