"""What every admin page shares: rows the product alone writes, actions that say what they did."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User

# One action takes at most this many rows: its transactions stay short and its page answers in seconds.
MAX_ROWS_PER_ACTION: Final = 1_000
ROWS_PER_PAGE: Final = 100
NOTHING: Final = "—"
TIMES: Final = "\N{MULTIPLICATION SIGN}"

M = TypeVar("M", bound=Model)


@dataclass
class Mended:
    """What an action did: the rows it changed under the words that say so, the others counted by why not."""

    done: dict[str, list[Model]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)

    def note(self, words: str, row: Model) -> None:
        self.done.setdefault(words, []).append(row)


class StaffAdmin(admin.ModelAdmin[M]):
    """Staff look at everything and change it only through steps that keep the product's promises.

    Nothing is added or deleted by hand. Actions ask for `mend` (the change permission of the model) or
    `remove` (its delete permission).
    """

    list_per_page = ROWS_PER_PAGE
    list_max_show_all = ROWS_PER_PAGE
    show_full_result_count = False  # one count less over a large table

    def has_add_permission(self, _request: HttpRequest, _obj: M | None = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: M | None = None) -> bool:
        return False

    def has_mend_permission(self, request: HttpRequest) -> bool:
        return self.has_own_permission(request, "change")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return self.has_own_permission(request, "delete")

    def has_own_permission(self, request: HttpRequest, verb: str) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.{verb}_{self.opts.model_name}")

    def carry_out(
        self, request: HttpRequest, chosen: QuerySet[M], act: Callable[[Sequence[Any]], Mended]
    ) -> None:
        """Acts on the ids chosen, writes one log entry for each row changed, and says what happened."""
        ids = list(chosen.order_by("pk").values_list("pk", flat=True)[: MAX_ROWS_PER_ACTION + 1])
        mended = act(ids[:MAX_ROWS_PER_ACTION])
        for words, rows in mended.done.items():
            self.record(request, rows, words)
            self.message_user(request, f"{count_of(self, len(rows))} {words}.", messages.SUCCESS)
        if mended.left:
            self.message_user(request, left_words(self, mended.left), messages.WARNING)
        if len(ids) > MAX_ROWS_PER_ACTION:
            words = f"Only the first {MAX_ROWS_PER_ACTION:,} were taken. Choose the others again."
            self.message_user(request, words, messages.WARNING)

    def record(self, request: HttpRequest, rows: Sequence[Model], words: str) -> None:
        LogEntry.objects.log_actions(person_of(request).pk, rows, CHANGE, words[:1].upper() + words[1:] + ".")

    def asked_first(self, request: HttpRequest, chosen: QuerySet[M], ask: "Question") -> HttpResponse | None:
        """The page that asks whether to go on; None once somebody has said yes."""
        if request.POST.get("confirmed") == "yes":
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": ask.title,
            "question": ask,
            "row_count": count_of(self, min(chosen.count(), MAX_ROWS_PER_ACTION)),
            "rows": chosen[:20],
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "action": request.POST.get("action", ""),
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/ask_first.html", context)


@dataclass(frozen=True)
class Question:
    title: str
    consequence: str
    button: str


def person_of(request: HttpRequest) -> User:
    """Raises: PermissionDenied for nobody; the admin has asked before."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def count_of(model_admin: admin.ModelAdmin[Any], count: int) -> str:
    """«1 upload», «1,204 photos»."""
    opts = model_admin.opts
    return f"{count:,} {opts.verbose_name if count == 1 else opts.verbose_name_plural}"


def left_words(model_admin: admin.ModelAdmin[Any], left: Counter[str]) -> str:
    reasons = "; ".join(f"{count:,}: {reason}" for reason, count in left.most_common())
    return f"{count_of(model_admin, left.total())} left as before. {reasons}."


def link_to(row: Model | None, words: str | None = None) -> str:
    """A link to the row's own page in the admin. No query."""
    return NOTHING if row is None else link_to_id(type(row), row.pk, words or str(row))


def link_to_id(model: type[Model], pk: UUID | int | str | None, words: str) -> str:
    if pk is None:
        return NOTHING
    return format_html('<a href="{}">{}</a>', reverse(page_of(model, "change"), args=[pk]), words)


def page_of(model: type[Model], page: str) -> str:
    opts = model._meta  # noqa: SLF001  Django's documented API, whatever its name says
    return f"admin:{opts.app_label}_{opts.model_name}_{page}"


def link_to_list(model: type[Model], words: str, **filters: object) -> str:
    url = reverse(page_of(model, "changelist"))
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return format_html('<a href="{}?{}">{}</a>', url, query, words)


def bar(value: int, of: int, *, label: str) -> SafeString:
    """A small bar. The browser draws it from its attributes: the site's policy allows no inline style."""
    return format_html(
        '<meter class="numbers" min="0" max="{}" value="{}" aria-label="{}"></meter>',
        max(of, 1),
        min(value, of),
        label,
    )


def age_words(age: timedelta) -> str:
    """«40 s», «12 min», «3 h», «5 days»."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
