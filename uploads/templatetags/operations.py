"""The dashboard of the admin's first page."""

from typing import Any

from django import template

from uploads.ops.overview import overview

register = template.Library()


@register.inclusion_tag("admin/operations.html", takes_context=True)
def operations(context: dict[str, Any]) -> dict[str, Any]:
    """Empty for staff who may not see uploads: it asks nothing then."""
    user = context["request"].user
    if not (user.has_perm("uploads.view_upload") or user.has_perm("uploads.change_upload")):
        return {"overview": None}
    return {"overview": overview()}
