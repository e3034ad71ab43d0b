from dataclasses import replace

import pytest

from galleries.renditions import GRID, RECIPES, VIEW, recipe_named


def test_a_recipe_is_known_by_its_name():
    assert [recipe_named(recipe.name) for recipe in RECIPES] == list(RECIPES)
    with pytest.raises(KeyError):
        recipe_named("enormous")


def test_the_digest_is_short_hexadecimal_and_always_the_same():
    """Keys and addresses in the field carry it: it changes by intent alone."""
    assert (VIEW.digest, GRID.digest) == ("048caaa27bfc", "8226ec170441")


@pytest.mark.parametrize(
    "change",
    [{"quality": 83}, {"longest_side_px": 1601}, {"media_type": "image/avif"}, {"method": VIEW.method + 1}],
)
def test_whatever_changes_the_bytes_changes_the_digest(change):
    assert replace(VIEW, **change).digest != VIEW.digest
