"""Pure: fields of a form as a page shows them."""

from django import template
from django.forms import BoundField
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def focused(field: BoundField) -> SafeString:
    """The field, focused once the page is shown: by the browser, and by Turbo after a form came back."""
    return field.as_widget(attrs={"autofocus": True})
