"""Two hospitals that look alike from outside: the same addresses, the same UIDs, other contents.

Whatever a person of one finds in an answer that belongs to the other is a hole in the wall. Everything is made by the
services people use.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from access import people as people_of
from access import services as access
from access.break_glass import services as break_glass
from access.grant_policy import change_policy
from access.models import Directory, EmailDomain, IdentityProvider, Invitation, Organisation, RoleGrant, User
from access.services import grant_role, joining, revoke_role
from access.sharing import services as sharing
from access.single_sign_on import services as sign_ons
from archive import services as archive_services
from archive import tasks as archive_tasks
from archive.albums import services as albums
from archive.intake.sources import add_source
from archive.models import Archive, Delivery, Instance, QuarantinedFile, Study
from audit.models import Event
from audit.queries import CHECK
from core import jobs, notifications, saved_views
from core.models import Notification
from core.tenancy import tenant
from deid import tasks as deid_tasks
from deid.models import DeidentifiedInstance
from deid.services import deidentify_study
from dimse import refusals
from dimse.directory import Destination
from dimse.models import RefusedCaller
from practice import services as practice
from teaching import services as teaching
from teaching.models import Course, Library
from tests.access.factories import make_member, make_user
from tests.archive.factories import deliver, make_archive, make_series
from tests.dicomweb.factories import settle
from tests.practice.test_reads import answers, own_mark
from tests.teaching.factories import House, make_case, make_study, publish
from trials import services as trials
from viewer.services import open_session

#: Each person holds one role beside membership, but for the educator, whose work takes two: contributor of the archives
#: and editor of library and course.
ROLES = (
    "administrator",
    "officer",
    "member",
    "manager",
    "contributor",
    "reader",
    "library_editor",
    "library_reviewer",
    "library_learner",
    "course_editor",
    "course_reviewer",
    "course_learner",
    "educator",
    "coordinator",
    "trial_reader",
    "adjudicator",
    "monitor",
    "site_staff",
)
#: Whose role opens nothing beside the rooms of trials: there they are asked, elsewhere the other two of the trial stand
#: for them.
OF_TRIALS_ONLY = frozenset({"trial_reader", "adjudicator", "monitor"})
#: Those for whom the organisation does not exist: everything in the other hospital, or the whole installation.
STRANGERS = ("stranger", "installation")

STUDY_UID, SERIES_UID, FRAME_UID = "1.2.826.0.1.3680043.8.1", "1.2.826.0.1.3680043.8.2", "1.2.826.0.1.3680043.8.4"
TRIAL_UID = "1.2.826.0.1.3680043.8.5"
TEACHING_UID = "1.2.826.0.1.3680043.8.3"
_numbers = itertools.count(1)


@dataclass
class World:
    """One hospital: its people by role, and a value for each name that stands in an address."""

    organisation: Organisation
    people: dict[str, User]
    values: dict[str, Any] = field(default_factory=dict)
    #: Values for the routes of one app where they differ from the general ones.
    of_app: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The same for single routes.
    of_route: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Words that stand only in this hospital's contents.
    marks: tuple[str, ...] = ()

    def value_for(self, *, route: str, name: str) -> Any:
        app = route.split(":", maxsplit=1)[0]
        for values in (self.of_route.get(route, {}), self.of_app.get(app, {}), self.values):
            if name in values:
                return values[name]
        return None


def make_world(*, slug: str, word: str) -> World:
    """`word` is a surname that stands in each title, name and description of this hospital."""
    organisation = access.create_organisation(slug=slug, name=f"{word} Hospital")
    number = next(_numbers)
    people = {
        "administrator": make_member(organisation, roles=("administrator",), username=f"administrator@{slug}"),
        "officer": make_member(organisation, roles=("officer",), username=f"officer@{slug}"),
        **{
            role: make_member(organisation, username=f"{role.replace('_', '-')}@{slug}")
            for role in ROLES
            if role not in ("administrator", "officer")
        },
    }
    for person in people.values():
        person.display_name = f"{word} {person.username.split('@')[0]}"
        person.save(update_fields=["display_name"])
    clinical = make_archive(organisation, slug="scans", name=f"{word} scans", ae_title=f"SCANS{number}")
    house = make_house_of(organisation=organisation, people=people, word=word, number=number)
    study = _clinical_study(clinical, word=word)
    for archive in (clinical, house.archive):
        for role in ("manager", "contributor", "reader"):
            grant_role(actor=None, container=archive, role=role, user=people[role])
        grant_role(actor=None, container=archive, role="contributor", user=people["educator"])
    world = World(organisation=organisation, people=people, marks=(word, word.upper(), word.lower()))
    with tenant(organisation):
        _fill_archive(world, clinical=clinical, study=study, word=word)
        _fill_teaching(world, house=house, study=study, word=word)
        _fill_trials(world, word=word, number=number)
    _fill_people(world, study=study)
    return world


def make_house_of(*, organisation: Organisation, people: dict[str, User], word: str, number: int) -> House:
    archive = make_archive(
        organisation,
        slug="copies",
        name=f"{word} copies",
        ae_title=f"COPIES{number}",
        purpose=Archive.Purpose.TEACHING,
    )
    administrator = people["administrator"]
    with tenant(organisation):
        library: Library = teaching.create_library(
            actor=administrator, organisation=organisation, archive=archive, slug="cases", name=f"{word} cases"
        )
        course: Course = teaching.create_course(
            actor=administrator, organisation=organisation, slug="rounds", name=f"{word} rounds"
        )
        for container, prefix in ((library, "library"), (course, "course")):
            for role in ("editor", "reviewer", "learner"):
                if role in container.ROLES:
                    grant_role(actor=None, container=container, role=role, user=people[f"{prefix}_{role}"])
            grant_role(actor=None, container=container, role="editor", user=people["educator"])
    return House(
        organisation=organisation,
        administrator=administrator,
        educator=people["educator"],
        reviewer=people["library_reviewer"],
        learner=people["course_learner"],
        member=people["member"],
        officer=people["officer"],
        archive=archive,
        library=library,
        course=course,
    )


def _clinical_study(archive: Archive, *, word: str) -> Study:
    files = make_series(
        count=2,
        StudyInstanceUID=STUDY_UID,
        SeriesInstanceUID=SERIES_UID,
        FrameOfReferenceUID=FRAME_UID,
        PatientName=f"{word}^Patient",
        PatientID=f"{word}-1",
        StudyDescription=f"{word} knee",
        SeriesDescription=f"{word} sagittal",
    )
    deliver(archive, files)
    with tenant(archive.organisation):
        return Study.objects.get(archive=archive, study_instance_uid=STUDY_UID)


def _fill_archive(world: World, *, clinical: Archive, study: Study, word: str) -> None:
    manager, contributor = world.people["manager"], world.people["contributor"]
    _delivery, _outcomes = deliver(clinical, [f"{word} is no image".encode()], actor=contributor)
    upload = archive_services.open_delivery(archive=clinical, source=Delivery.Source.UPLOAD, actor=contributor)
    image = Instance.objects.filter(study=study).select_related("series").earliest("instance_number")
    export = archive_services.start_export(actor=manager, archive=clinical, studies=[study])
    archive_tasks.export_studies(organisation_id=world.organisation.pk, job_id=str(export.pk), study_ids=[study.pk])
    settle(clinical)
    session = open_session(
        user=manager,
        organisation=world.organisation,
        kind="study",
        key=study.public_id,
        studies=[study],
        target=study,
    )
    album = albums.create_album(
        actor=contributor, archive=clinical, name=f"{word} round", is_open=True, studies=[study]
    )
    world.values |= {
        "organisation": world.organisation.slug,
        "archive": clinical.slug,
        "album": album.public_id,
        "study": study.public_id,
        "series": image.series.public_id,
        "instance": image.pk,
        "delivery": upload.pk,
        "upload": upload.pk,
        "file": QuarantinedFile.objects.filter(archive=clinical).latest("pk").public_id,
        "job": export.pk,
        "session": session.public_id,
        "numbers": "1",
        "path": "7FE00010",
    }
    world.of_app["dicomweb"] = {
        "study": STUDY_UID,
        "series": SERIES_UID,
        "instance": image.sop_instance_uid,
    }
    world.of_app["archive-api"] = {"study": STUDY_UID, "series": SERIES_UID}
    _fill_gate(world, clinical=clinical)
    _fill_shell(world, word=word)


def _fill_gate(world: World, *, clinical: Archive) -> None:
    """A source of the archive of copies, and a caller that the clinical archive refused."""
    copies = Archive.objects.get(organisation=world.organisation, slug="copies")
    source = add_source(actor=None, archive=copies, kind="import")
    for route in ("sources", "source-add", "source-remove"):
        world.of_route[f"archive:{route}"] = {"archive": copies.slug, "source": source.public_id}
    refusals.note(
        destination=Destination(archive=clinical, ae_title=clinical.ae_title, calling_ae_titles=frozenset()),
        called=clinical.ae_title,
        calling="STRANGER",
        address="192.0.2.1",
        reason="unknown-calling",
    )
    world.values["caller"] = RefusedCaller.objects.get(archive=clinical).public_id


def _fill_shell(world: World, *, word: str) -> None:
    """A job, a notification and a saved view of the member with no other role."""
    member, organisation = world.people["member"], world.organisation
    job = jobs.start(organisation=organisation, owner=member, kind="test", title=f"{word} job", total=1)
    place = f"/o/{organisation.slug}/jobs/"
    notifications.send(
        kind="job.failed",
        organisation=organisation,
        persons=[member],
        subject="one",
        url=place,
        detail={"title": f"{word} export"},
    )
    view = saved_views.save(
        user=member,
        organisation=organisation,
        list_key="jobs",
        place=place,
        name=f"{word} failed",
        query="state=failed",
    )
    world.of_app["core"] = {
        "job": job.pk,
        "notification": Notification.objects.get(person=member).public_id,
        "view": view.public_id,
    }


def _fill_teaching(world: World, *, house: House, study: Study, word: str) -> None:
    copy = make_study(house.archive, StudyInstanceUID=f"{TEACHING_UID}.1", PatientName=f"{word}^Copy")
    case = make_case(house, study=copy, title=f"{word} tumour", alternative_title=f"{word} with headache")
    version = publish(house, case)
    with tenant(world.organisation):
        attempt = practice.start_attempt(user=house.learner, version=version)
        practice.commit_attempt(user=house.learner, attempt=attempt, draft=answers(version), marks=[own_mark(version)])
        assignment = teaching.create_assignment(
            actor=house.educator,
            course=house.course,
            title=f"{word} week",
            cases=[case],
            due_at=timezone.now() + timedelta(days=1),
        )
        run = deidentify_study(actor=house.educator, study=study, target_archive=house.archive)
        deid_tasks.execute_run(organisation_id=world.organisation.pk, run_id=run.pk, job_id=str(run.job_id))
    with tenant(world.organisation):
        image = DeidentifiedInstance.objects.filter(run=run).earliest("pk")
    world.values |= {
        "library": house.library.slug,
        "course": house.course.slug,
        "slug": house.library.slug,
        "kind": "library",
        "case": case.public_id,
        "attempt": attempt.public_id,
        "assignment": assignment.public_id,
        "question": version.content["questions"][0]["id"],
        "section": version.content["sections"][0]["id"],
        "action": "request-review",
        "number": 1,
        "run": run.public_id,
    }
    world.of_app["deid"] = {"archive": house.archive.slug, "image": image.pk, "side": "before"}


def _fill_trials(world: World, *, word: str, number: int) -> None:
    """A trial with two sites; the staff is of the first, to which the values in the addresses belong."""
    people, organisation = world.people, world.organisation
    administrator = people["administrator"]
    images = make_archive(
        organisation,
        slug="imaging",
        name=f"{word} imaging",
        ae_title=f"TRIAL{number}",
        purpose=Archive.Purpose.TRIAL,
        actor=administrator,
    )
    trial = trials.create_trial(
        actor=administrator,
        organisation=organisation,
        archive=images,
        slug="lung",
        protocol_id=f"{word}-LUNG",
        name=f"{word} lung trial",
        sponsor=f"{word} Research",
    )
    for role in ("coordinator", "adjudicator", "monitor"):
        grant_role(actor=None, container=trial, role=role, user=people[role])
    grant_role(actor=None, container=trial, role="reader", user=people["trial_reader"])
    site, _other = (
        trials.create_site(actor=administrator, trial=trial, number=key, name=f"{word} {name}")
        for key, name in (("01", "North wing"), ("02", "South wing"))
    )
    grant_role(actor=None, container=site, role="staff", user=people["site_staff"])
    subject = trials.add_subject(actor=administrator, site=site, subject_id=f"{word}-01-001")
    study = make_study(images, PatientID=subject.subject_id, StudyInstanceUID=f"{TRIAL_UID}.1")
    waiting = make_study(images, PatientID=f"{word}-nobody", StudyInstanceUID=f"{TRIAL_UID}.2")
    settle(images)
    # Who set it up and gave the roles has none: administering opens nothing.
    revoke_role(actor=None, container=trial, role="coordinator", user=administrator)
    revoke_role(actor=None, container=images, role="manager", user=administrator)
    world.of_app["trials"] = {
        "trial": trial.slug, "site": site.public_id, "subject": subject.public_id, "study": study.public_id,
    }  # fmt: skip
    world.of_app["trials-api"] = {**world.of_app["trials"], "study": study.public_id}
    for route in ("trials:match", "trials:waiting-images"):
        world.of_route[route] = {"study": waiting.public_id}


def _fill_people(world: World, *, study: Study) -> None:
    """What an administrator, an officer and a manager have made: grants, invitations, accounts, tokens, shares."""
    organisation, administrator = world.organisation, world.people["administrator"]
    token, _secret = access.create_token(user=world.people["reader"], name="a reader's token", scopes=["read"])
    invitation = joining.invite(
        actor=administrator, organisation=organisation, email=f"invited@{organisation.slug}.example"
    ).invitation
    Organisation.objects.filter(pk=organisation.pk).update(allows_join_requests=True)
    asked = joining.ask_to_join(user=make_user(username=f"asks@{organisation.slug}"), slug=organisation.slug)
    account = people_of.create_service_account(
        actor=administrator, organisation=organisation, name="robot", display_name="Robot"
    )
    with tenant(organisation):
        event = Event.objects.filter(organisation=organisation).latest("pk")
        # Sent long enough ago to be sent again.
        Invitation.objects.filter(pk=invitation.pk).update(sent_at=timezone.now() - timedelta(hours=1))
        grant = RoleGrant.objects.get(
            user=world.people["reader"],
            container_role__container_kind=Archive.container_kind(),
            container_role__container_id=study.archive_id,
        )
        change_policy(actor=None, organisation=organisation, changes={"sharing": "links", "break_glass": True})
        share, _code = sharing.create_share(
            actor=world.people["manager"],
            kind="study",
            thing=study.public_id,
            audience="link",
            recipient_name="Dr. Guest",
            purpose="Second opinion",
        )
        glass = break_glass.start(
            actor=make_member(organisation, username=f"night@{organisation.slug}"),
            organisation=organisation,
            reason="emergency",
            statement="Unconscious in the emergency room.",
            patient_id=study.patient.patient_id,
        )
        check = jobs.start(organisation=organisation, owner=world.people["officer"], kind=CHECK, title="check")
    world.values |= {"person": world.people["member"].pk, "pk": event.pk, "check": check.pk}
    world.of_app["access"] = {
        "kind": Archive.container_kind(),
        "container": study.archive_id,
        "grant": grant.pk,
        "invitation": invitation.public_id,
        "asked": asked.public_id if asked else None,
        "account": account.pk,
        "token": token.public_id,
        "act": "shut-out",
        "share": share.public_id,
        "thing": study.public_id,
        "glass": glass.public_id,
    }
    world.of_app["access-api"] = {"container": f"{Archive.container_kind()}:{study.archive_id}", "role": "reader"}
    world.of_route["access:share-new"] = {"kind": "study"}
    _fill_sign_on(world)


def _fill_sign_on(world: World) -> None:
    """A provider with a rule, and a directory; neither answers."""
    organisation, administrator = world.organisation, world.people["administrator"]
    provider = sign_ons.add(
        actor=administrator,
        organisation=organisation,
        model=IdentityProvider,
        values={
            "label": f"{organisation.name} account",
            "issuer": "https://127.0.0.1:1",
            "client_id": "pacsweb",
            "domains": [f"{organisation.slug}.example"],
        },
        secret="of the provider",
    )
    rule = sign_ons.add_rule(
        actor=administrator,
        sign_on=provider,
        claim="groups",
        how="equals",
        value=f"{organisation.name} officers",
        role=f"{Organisation.container_kind()}:{organisation.pk}:officer",
    )
    directory = sign_ons.add(
        actor=administrator,
        organisation=organisation,
        model=Directory,
        values={
            "label": f"{organisation.name} directory",
            "address": "ldaps://127.0.0.1:1",
            "bind_name": "cn=reader",
            "people_base": "ou=people",
        },
        secret="of the directory",
    )
    world.of_app["access"] |= {"sign_on": provider.public_id, "rule": rule.pk}
    for name in (
        "sso-add",
        "sso",
        "sso-test",
        "sso-switch",
        "sso-delete",
        "sso-preview",
        "sso-rule-add",
        "sso-rule-remove",
    ):
        world.of_route[f"access:{name}"] = {"kind": "providers"}
    with tenant(organisation):
        domain = EmailDomain.objects.get()
    world.of_route["access:sso-domain-check"] = {"domain": domain.public_id}
    world.of_route["access:sso-look-up"] = {"kind": "directories", "sign_on": directory.public_id}
