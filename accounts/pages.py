"""What people settle for themselves: whether they get mails; the ways to address and password."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.addresses import is_confirmed
from accounts.models import User


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def your_account(request: HttpRequest) -> HttpResponse:
    mine = User.objects.filter(username=request.user.get_username())
    if request.method == "POST":
        mine.update(wants_mail="wants_mail" in request.POST)  # a box that is not ticked is not sent
        messages.success(request, "Saved.")
        return HttpResponseRedirect(request.path)
    me = mine.get()
    return render(
        request, "account/yours.html", {"wants_mail": me.wants_mail, "is_confirmed": is_confirmed(me)}
    )
