"""What scripts need to know of a photo's pictures where they know its id alone."""

from django import template

from galleries.renditions import GRID

register = template.Library()


@register.simple_tag
def grid_recipe() -> str:
    """The last part of the address of a photo's picture on the wall: with it a browser may keep what it gets."""
    return GRID.digest
