"""Users and their tokens. Superusers alone give rights; a token is never shown again, only revoked."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.staff import Mended, StaffAdmin, link_to, link_to_list

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class PeopleAdmin(UserAdmin[User]):
    """Django's own, but nobody raises their own rights with it, or touches somebody who has more."""

    list_display = ("username", "email", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "date_joined")
    search_fields = ("username", "email", "first_name", "last_name", "=id")
    readonly_fields = ("date_joined", "last_login", "tokens")
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        ("Mails", {"fields": ("wants_mail",)}),
        ("Programs", {"fields": ("tokens",)}),
    )
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[Any]:
        fixed = [*super().get_readonly_fields(request, obj)]
        return fixed if is_superuser(request) else [*fixed, *RIGHTS]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and not outranks(obj, request)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not outranks(obj, request)

    @admin.display(description="API tokens")
    def tokens(self, user: User) -> str:
        return link_to_list(ApiToken, "tokens of this user", user__id__exact=user.pk)


def is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def outranks(user: User | None, request: HttpRequest) -> bool:
    """Staff who could set the password of somebody with more rights would have those rights."""
    if user is None or is_superuser(request) or user.pk == request.user.pk:
        return False
    return user.is_superuser or user.is_staff


class UsableFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "usable"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "usable"), ("no", "revoked")]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(revoked_at__isnull=self.value() == "yes")


@admin.register(ApiToken)
class ApiTokenAdmin(StaffAdmin[ApiToken]):
    list_display = ("short_id", "of_user", "created_at", "is_usable", "revoked_at")
    list_filter = (UsableFilter, "created_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("=id", "user__username", "user__email")
    fields = ("id", "of_user", "created_at", "revoked_at")
    ordering = ("-created_at",)
    actions = ("revoke",)

    @admin.display(description="token")
    def short_id(self, token: ApiToken) -> str:
        return str(token.pk)[:8]

    @admin.display(description="user", ordering="user__username")
    def of_user(self, token: ApiToken) -> str:
        return link_to(token.user, token.user.get_username())

    @admin.display(description="usable", boolean=True)
    def is_usable(self, token: ApiToken) -> bool:
        return token.revoked_at is None and token.user.is_active

    @admin.action(description="Revoke", permissions=["mend"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        self.carry_out(request, chosen, revoke)


def revoke(token_ids: Sequence[uuid.UUID]) -> Mended:
    """From now on they open nothing. Safe to repeat."""
    mended = Mended()
    for token in ApiToken.objects.filter(pk__in=token_ids).select_related("user"):
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            mended.note("revoked", token)
        else:
            mended.left["revoked already"] += 1
    return mended
