"""How people sign up and in, where it differs from allauth."""

from typing import Any, ClassVar, Final

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from accounts.models import User

# Which of the two is wrong is told to nobody.
MISMATCH: Final = "This name and this password do not belong together."


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """One person's name can't be written with other code points (full-width letters, ligatures) by another."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": MISMATCH,
        "email_password_mismatch": MISMATCH,
    }

    def clean_username(self, username: str, shallow: bool = False) -> str:  # noqa: FBT001, FBT002  allauth's signature
        cleaned: str = super().clean_username(User.normalize_username(username), shallow)
        return cleaned

    def format_email_subject(self, subject: str) -> str:
        """Who it is from says the sender; the subject says what it is about."""
        return subject

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Who signed up under a name that was written another way signs in with it, too."""
        if username := credentials.get("username"):
            credentials["username"] = User.normalize_username(username)
        user: AbstractBaseUser | None = super().authenticate(request, **credentials)
        return user
