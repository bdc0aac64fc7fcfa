"""All conformance cases."""

from tests.conformance import conditions, endings, failures, parameters, together
from tests.conformance.case import Case

CASES = [
    each
    for module in (parameters, conditions, failures, endings, together)
    for each in vars(module).values()
    if isinstance(each, Case)
]
