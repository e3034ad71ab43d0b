"""Whether an address belongs to whom it is written down for."""

from allauth.account.models import EmailAddress

from accounts.models import User


def is_confirmed(user: User) -> bool:
    """False for what somebody entered for themselves and never confirmed: it may be anybody's. One query.

    Of addresses that are entered allauth keeps a row. One without a row staff gave, or who set up the site.
    """
    entered = EmailAddress.objects.filter(user_id=user.pk, email__iexact=user.email)
    return bool(user.email) and not entered.filter(verified=False).exists()
