"""A plan as it crosses the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from live_avatar.protocol.messages import coded_text

if TYPE_CHECKING:
    from live_avatar.planner import Plan


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """JSON values of ``plan``: sizes as width and height, warnings with their values, sums of memory and disk."""
    values = plan.as_dict()
    # The key into the speed record concerns nobody else.
    del values["speed_key"]
    for name in ("requested", "size", "image"):
        values[name] = {"width": values[name][0], "height": values[name][1]}
    values["warnings"] = [coded_text(code, text) for code, text in plan.warnings]
    return values
