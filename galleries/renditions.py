"""Pure: which smaller pictures a photo has, and exactly how each is made. Nobody mirrors it: clients follow `url`."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final


@dataclass(frozen=True)
class Recipe:
    """How one rendition is made. What changes its bytes is a field, so that the digest changes with it."""

    name: str
    media_type: str
    longest_side_px: int
    quality: int
    method: int  # raised when the way of making it changes while the numbers stay

    @property
    def digest(self) -> str:
        """12 hex digits that name this recipe in keys and addresses: no other recipe answers under the same."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


# JPEG, since a 1600 px WebP costs 200 ms more to make than the whole of the rest.
VIEW: Final = Recipe(name="view", media_type="image/jpeg", longest_side_px=1600, quality=82, method=2)
GRID: Final = Recipe(name="grid", media_type="image/webp", longest_side_px=400, quality=80, method=2)

# Each is made from the one before it: the photo itself is decoded once.
RECIPES: Final = (VIEW, GRID)


def recipe_named(name: str) -> Recipe:
    """Raises: KeyError for a name that no recipe has."""
    return {recipe.name: recipe for recipe in RECIPES}[name]
