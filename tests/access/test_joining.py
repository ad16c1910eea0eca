"""Invitations, requests to join, lists of people, quotas, suspended organisations."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from access import queries, services
from access.errors import InvitationClosed, PeopleQuotaReached
from access.models import Invitation, JoinRequest, Membership, Organisation, OrganisationLogo, User
from access.services import joining
from access.services.invitation_links import Link, send
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation, make_user
from tests.access.test_reasons import signed_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, username="admin@hospital", roles=("administrator",))


def invite(administrator: User, hospital: Organisation, **more: Any) -> str:
    """The path of the link in the letter."""
    return path_of(sent(administrator, hospital, **more).letter_url)


def path_of(url: str) -> str:
    return re.sub(r"^https?://[^/]+", "", url)


def sent(administrator: User, hospital: Organisation, **more: Any) -> Link:
    return joining.invite(
        actor=administrator,
        organisation=hospital,
        email=more.pop("email", "ada@example.org"),
        roles=[f"access.organisation:{hospital.pk}:officer"],
        **more,
    )


def test_a_new_person_joins_by_the_link_with_the_roles_that_wait(
    hospital: Organisation, administrator: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        path = invite(administrator, hospital)
    assert path in mail.outbox[0].body
    assert mail.outbox[0].to == ["ada@example.org"]
    client = Client()
    opened = client.get(path)
    assert opened["Location"] == reverse("access:invitation")
    page = client.get(opened["Location"])
    assert "You are invited" in page.content.decode()
    weak = client.post(opened["Location"], {"name": "ada", "display_name": "Ada", "password": "x", "again": "x"})
    assert weak.status_code == 422
    joined = client.post(
        opened["Location"], {"name": "ada", "display_name": "Ada", "password": PASSWORD, "again": PASSWORD}
    )
    assert joined.status_code == 302, joined.content
    user = User.objects.get(username="ada@hospital")
    assert queries.may(user, "access.view_audit", hospital)
    # Used up: the same link opens nothing, for nobody.
    again = Client()
    again.get(path)
    assert again.get(reverse("access:invitation")).status_code == 404


def test_who_has_an_account_joins_by_one_click(hospital: Organisation, administrator: User) -> None:
    path, user = invite(administrator, hospital), make_member(make_organisation("elsewhere"))
    client = signed_in(user)
    client.get(path)
    assert client.post(reverse("access:invitation")).status_code == 302
    assert queries.may(user, "access.view_audit", hospital)


def test_wrong_old_withdrawn_and_replaced_links_look_the_same(hospital: Organisation, administrator: User) -> None:
    ran_out = invite(administrator, hospital, email="a@example.org")
    withdrawn = invite(administrator, hospital, email="b@example.org")
    replaced = invite(administrator, hospital, email="c@example.org")
    with tenant(hospital):
        Invitation.objects.filter(email="a@example.org").update(expires_at=timezone.now() - timedelta(seconds=1))
        second = Invitation.objects.select_related("organisation").get(email="b@example.org")
        third = Invitation.objects.select_related("organisation").get(email="c@example.org")
        Invitation.objects.filter(pk=third.pk).update(sent_at=timezone.now() - timedelta(hours=1))
    joining.withdraw(actor=administrator, invitation=second)
    joining.resend(actor=administrator, invitation=third)
    answers = []
    for path in (ran_out, withdrawn, replaced, reverse("access:invitation-open", kwargs={"secret": "guess"})):
        client = Client()
        client.get(path)
        answer = client.get(reverse("access:invitation"))
        answers.append((answer.status_code, answer.content))
    assert {status for status, _content in answers} == {404}
    assert len({content for _status, content in answers}) == 1


def test_an_invitation_that_ended_with_its_inviter_is_told_no_untrue_cause(
    hospital: Organisation, administrator: User
) -> None:
    make_member(hospital, username="second@hospital", roles=("administrator",))
    path = invite(administrator, hospital)
    services.revoke_role(actor=None, container=hospital, role="administrator", user=administrator)
    client = Client()
    client.get(path)
    answer = client.get(reverse("access:invitation"))
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "no longer valid" in page and "ask" in page
    assert not any(word in page for word in ("withdrawn", "replaced", "expired", "already used", "right"))


def test_secrets_of_invitations_are_not_kept(hospital: Organisation, administrator: User) -> None:
    secret = invite(administrator, hospital).rstrip("/").rsplit("/", 1)[-1]
    with tenant(hospital):
        assert secret not in str(Invitation.objects.values().get())


def test_invitations_of_another_organisation_are_out_of_reach(hospital: Organisation, administrator: User) -> None:
    invite(administrator, hospital)
    stranger = make_member(make_organisation("elsewhere"), roles=("administrator",))
    with tenant(hospital):
        theirs = Invitation.objects.select_related("organisation").get()
    for act in (joining.withdraw, joining.resend):
        with pytest.raises(NotFound):
            act(actor=stranger, invitation=theirs)
    with pytest.raises(Forbidden):
        joining.withdraw(actor=make_member(hospital), invitation=theirs)
    there = reverse("access:invitation-withdraw", kwargs={"organisation": "elsewhere", "invitation": theirs.public_id})
    assert signed_in(stranger).post(there).status_code == 404
    with pytest.raises(Invalid):
        joining.invite(
            actor=stranger,
            organisation=Organisation.objects.get(slug="elsewhere"),
            email="x@example.org",
            roles=[f"access.organisation:{hospital.pk}:administrator"],
        )


def test_a_line_break_in_a_name_adds_no_header(hospital: Organisation, administrator: User) -> None:
    Organisation.objects.filter(pk=hospital.pk).update(name="Hospital\nBcc: evil@example.org")
    hospital.refresh_from_db()
    link = joining.invite(actor=administrator, organisation=hospital, email="a@example.org")
    send(link)
    assert "\n" not in mail.outbox[0].subject
    assert mail.outbox[0].recipients() == ["a@example.org"]


@pytest.mark.parametrize("email", ["", "x", "a@b", "a@example.org\nBcc: b@example.org", "x" * 300 + "@example.org"])
def test_bad_addresses_are_refused(email: str, hospital: Organisation, administrator: User) -> None:
    with pytest.raises(Invalid):
        joining.invite(actor=administrator, organisation=hospital, email=email)


def test_asking_to_join_says_nothing_about_who_is_there(hospital: Organisation, administrator: User) -> None:
    user = make_user("guest@nowhere")
    client = signed_in(user)
    answers = []
    for slug in ("hospital", "there-is-none"):
        client.post(reverse("access:my-organisations"), {"organisation": slug})
        answers.append(client.get(reverse("access:my-organisations")).content.count(b"takes requests"))
    assert answers == [1, 1]
    assert joining.ask_to_join(user=user, slug="hospital") is None
    services.change_organisation(actor=administrator, organisation=hospital, changes={"allows_join_requests": True})
    asked = joining.ask_to_join(user=user, slug="Hospital ", message="I work here")
    assert asked is not None
    again = joining.ask_to_join(user=user, slug="hospital")
    assert again == asked


def test_a_request_is_decided_once(hospital: Organisation, administrator: User) -> None:
    Organisation.objects.filter(pk=hospital.pk).update(allows_join_requests=True)
    user = make_user()
    asked = joining.ask_to_join(user=user, slug="hospital")
    assert asked is not None
    with pytest.raises(Invalid):
        joining.decide(actor=administrator, asked=asked, accept=False)
    with pytest.raises(Forbidden):
        joining.decide(actor=make_member(hospital), asked=asked, accept=True)
    client = signed_in(administrator)
    address = reverse("access:join-decide", kwargs={"organisation": "hospital", "asked": asked.public_id})
    role = f"access.organisation:{hospital.pk}:officer"
    assert client.post(address, {"decision": "accept", "roles": [role]}).status_code == 302
    assert queries.may(user, "access.view_audit", hospital)
    with pytest.raises(Conflict):
        joining.decide(actor=administrator, asked=asked, accept=False, reason="too late")
    with tenant(hospital):
        assert JoinRequest.objects.get().state == JoinRequest.State.ACCEPTED


def test_the_quota_of_people_holds_at_every_way_in(hospital: Organisation, administrator: User) -> None:
    Organisation.objects.filter(pk=hospital.pk).update(people_quota=2)
    waiting = invite(administrator, hospital)
    make_member(hospital)
    with pytest.raises(PeopleQuotaReached):
        services.add_member(actor=administrator, organisation=hospital, user=make_user())
    client = signed_in(make_user())
    client.get(waiting)
    assert client.post(reverse("access:invitation")).status_code == 409
    with tenant(hospital):
        assert Invitation.objects.get().is_waiting
        assert Membership.objects.filter(organisation=hospital, is_active=True).count() == 2


LIST = "name,display_name,email,roles\nada,Ada Lovelace,,officer\n,Bo,bo@example.org,officer\n"


def test_a_list_is_shown_first_and_taken_in_as_a_whole(hospital: Organisation, administrator: User) -> None:
    client = signed_in(administrator)
    address = reverse("access:people-import", kwargs={"organisation": "hospital"})
    preview = client.post(address, {"file": SimpleUploadedFile("p.csv", LIST.encode("utf-8-sig"))}).content.decode()
    assert "2 people would come in" in preview
    assert not User.objects.filter(username="ada@hospital").exists()
    done = client.post(address, {"text": LIST, "confirm": "1"}).content.decode()
    assert re.search(r"[a-z2-9]{5}-[a-z2-9]{5}-", done)
    assert queries.may(User.objects.get(username="ada@hospital"), "access.view_audit", hospital)
    with tenant(hospital):
        assert Invitation.objects.get().email == "bo@example.org"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names the columns"),
        ("a,b\n1,2\n", "names the columns"),
        ("name,display_name\n", "nobody on the list"),
        ('name,display_name\n"open,X\n', "quotation mark"),
        ("name,display_name\nada,A\nada,B\n", "twice"),
        ("name,display_name,roles\nada,A,root\n", "There is no role"),
        ("name,display_name\nAda Lovelace,A\n", "lower-case letters"),
        ("name,display_name,email\n,A,nowhere\n", "not an e-mail address"),
        ("name;display_name\nada;\n", "name is missing"),
        ("name,display_name\n" + "".join(f"p{n},P\n" for n in range(501)), "at most"),
    ],
)
def test_bad_lists_say_what_is_wrong_and_change_nothing(
    text: str, words: str, hospital: Organisation, administrator: User
) -> None:
    client = signed_in(administrator)
    before = User.objects.count()
    address = reverse("access:people-import", kwargs={"organisation": "hospital"})
    assert words in client.post(address, {"text": text}).content.decode()
    client.post(address, {"text": text, "confirm": "1"})
    assert User.objects.count() == before


def test_settings_take_only_what_belongs_to_them(hospital: Organisation, administrator: User) -> None:
    with pytest.raises(Forbidden):
        services.change_organisation(
            actor=administrator, organisation=hospital, changes={"storage_quota_bytes": 10**15}
        )
    with pytest.raises(NotFound):
        services.set_quotas(actor=administrator, organisation=hospital, storage_quota_bytes=None, people_quota=None)
    client = signed_in(administrator)
    address = reverse("access:organisation-settings", kwargs={"organisation": "hospital"})
    wanted = {"name": "New name", "time_zone": "Europe/Oslo", "token_days_max": "30", "people_quota": "9999"}
    assert client.post(address, wanted).status_code == 302
    hospital.refresh_from_db()
    assert (hospital.name, hospital.token_days_max, hospital.people_quota) == ("New name", 30, None)
    assert signed_in(make_member(hospital)).get(address).status_code == 403


def test_a_logo_is_drawn_anew(hospital: Organisation, administrator: User) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2000, 1000), "red").save(buffer, "JPEG", comment=b"<script>alert(1)</script>")
    services.set_logo(actor=administrator, organisation=hospital, data=buffer.getvalue() + b"<script>")
    with tenant(hospital):
        png = bytes(OrganisationLogo.objects.get().png)
    assert png.startswith(b"\x89PNG")
    assert b"script" not in png
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size == (192, 96)
    address = reverse("access:logo", kwargs={"organisation": "hospital"})
    assert signed_in(make_member(hospital)).get(address)["Content-Type"] == "image/png"
    assert signed_in(make_member(make_organisation("elsewhere"))).get(address).status_code == 404


@pytest.mark.parametrize(
    "data", [b"", b"<svg onload=alert(1)>", b"GIF89a", b"\x89PNG\r\n\x1a\nbroken", b"x" * 3_000_000]
)
def test_what_is_no_picture_becomes_no_logo(data: bytes, hospital: Organisation, administrator: User) -> None:
    with pytest.raises(Invalid):
        services.set_logo(actor=administrator, organisation=hospital, data=data)


def test_the_installation_is_administered_without_seeing_content(hospital: Organisation) -> None:
    root, password = _installation_administrator()
    assert password
    client = signed_in(root)
    assert client.get("/o/hospital/").status_code == 404
    made = client.post(
        reverse("access:installation-new"),
        {"name": "Clinic", "slug": "clinic", "time_zone": "UTC", "administrator": "ada"},
    ).content.decode()
    assert "ada@clinic" in made
    assert client.get("/o/clinic/").status_code == 404
    address = reverse("access:installation-organisation", kwargs={"slug": "clinic"})
    client.post(address, {"storage_gb": "1.5", "people": "3"})
    clinic = Organisation.objects.get(slug="clinic")
    assert (clinic.storage_quota_bytes, clinic.people_quota) == (1_500_000_000, 3)
    for other in (make_user(), make_member(hospital, roles=("administrator",))):
        assert signed_in(other).get(reverse("access:installation")).status_code == 404
        assert signed_in(other).post(reverse("access:suspend", kwargs={"slug": "clinic"})).status_code == 404


def _installation_administrator() -> tuple[User, str]:
    from access import founding

    return founding.create_installation_administrator(username="root")


def test_a_suspended_organisation_is_closed_at_every_door(hospital: Organisation, administrator: User) -> None:
    root, _password = _installation_administrator()
    _token, secret = services.create_token(user=administrator, name="t", scopes=["read", "dicomweb"])
    services.suspend_organisation(actor=root, organisation=hospital, reason="Not paid")
    page = signed_in(administrator).get("/o/hospital/")
    assert page.status_code == 403
    assert "Not paid" in page.content.decode()
    by_token = Client(headers={"Authorization": f"Bearer {secret}"})
    assert by_token.get("/o/hospital/dicomweb/clinical/studies").status_code == 403
    assert not queries.may(administrator, "access.manage_people", hospital)
    services.resume_organisation(actor=root, organisation=hospital)
    assert signed_in(administrator).get("/o/hospital/").status_code == 200


def test_commands_make_organisations_and_administrators(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_organisation", "clinic", "Clinic", "--administrator", "ada")
    assert "ada@clinic" in capsys.readouterr().out
    assert queries.may(
        User.objects.get(username="ada@clinic"), "access.manage_people", Organisation.objects.get(slug="clinic")
    )
    with pytest.raises(CommandError):
        call_command("create_organisation", "clinic", "Clinic", "--administrator", "bo")
    with pytest.raises(CommandError):
        call_command("create_organisation", "second", "Second", "--administrator", "nobody@nowhere")
    assert not Organisation.objects.filter(slug="second").exists()
    call_command("create_administrator", "root")
    assert User.objects.get(username="root").is_installation_administrator


def test_the_link_of_an_invitation_cannot_be_used_twice_at_once(hospital: Organisation, administrator: User) -> None:
    from access.services.tokens import token_digest

    secret = invite(administrator, hospital).rstrip("/").rsplit("/", 1)[-1]
    joining.accept(digest=token_digest(secret), user=make_user())
    with pytest.raises(InvitationClosed):
        joining.accept(digest=token_digest(secret), user=make_user())
