"""Pure: numbers and states as people read them. Twin of static/src/ui/quantities.ts."""

from django import template

register = template.Library()

KB, MB, GB = 1_000, 1_000_000, 1_000_000_000
ROUNDS_TO_TEN = 9.95
# No line breaks between a number and its unit.
SPACE = "\N{NO-BREAK SPACE}"

STATE_WORDS = {
    "empty": "empty",
    "receiving": "receiving",
    "processing": "confirming",
    "ready": "ready",
    "attention": "needs you",
}


@register.filter
def bytes_words(size_bytes: int) -> str:
    if size_bytes < KB:
        return f"1{SPACE}byte" if size_bytes == 1 else f"{size_bytes}{SPACE}bytes"
    if size_bytes < MB:
        return f"{round(size_bytes / KB)}{SPACE}KB"
    # 999.96 MB would be written "1,000 MB"; it is 1.0 GB.
    if size_bytes < 999.5 * MB:
        return f"{one_decimal_below_ten(size_bytes / MB)}{SPACE}MB"
    return f"{one_decimal_below_ten(size_bytes / GB)}{SPACE}GB"


@register.filter
def photos_of(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"


@register.filter
def to_be_published(count: int) -> str:
    return f"{count:,} {'waits' if count == 1 else 'wait'} to be published"


@register.filter
def state_word(state: str) -> str:
    return STATE_WORDS[state]


def one_decimal_below_ten(value: float) -> str:
    return f"{value:.1f}" if value < ROUNDS_TO_TEN else f"{round(value):,}"
