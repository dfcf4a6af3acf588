"""The probes there are, by name."""

from __future__ import annotations

from retizero.training.probes.linear import fit_linear_probe
from retizero.training.probes.problem import Method
from retizero.training.probes.text_probe import (
    fit_lp_plus_plus,
    fit_simple_shot,
    fit_ss_text,
    fit_zero_shot,
)
from retizero.training.probes.tip_adapter import fit_tip_adapter

METHODS = {
    method.name: method
    for method in (
        Method("zero-shot", True, False, fit_zero_shot),
        Method("simple-shot", False, True, fit_simple_shot),
        Method("ss-text", True, True, fit_ss_text),
        Method("tip-adapter", True, True, fit_tip_adapter),
        Method("lp++", True, True, fit_lp_plus_plus),
        Method("linear", False, True, fit_linear_probe),
    )
}
