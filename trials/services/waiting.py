"""Who sent a study of a trial's archive, for which site, and why it waits for a coordinator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from django.db.models.functions import Coalesce, Upper

from access.models import RoleGrant
from archive.models import Delivery, Instance, Study
from trials.domain import lifecycle, matching
from trials.domain.matching import Said
from trials.models import Site, Subject, Trial


@dataclass(slots=True)
class Senders:
    """Who sent the images of one study: names for a page, and the sites whose staff they were when they sent them."""

    names: list[str] = field(default_factory=list)
    sites: dict[int, Site] = field(default_factory=dict)
    # One set of sites for each sender that is of a site: all of them have to be of the subject's.
    of_each: list[frozenset[int]] = field(default_factory=list)

    def is_across(self, site_id: int) -> bool:
        """Whether staff of another site sent any of the images."""
        return any(matching.sent_across(sender_sites=sites, site=site_id) for sites in self.of_each)

    @property
    def common_sites(self) -> list[Site]:
        """The sites across which nobody sent: a match to a subject of one of them needs no reason."""
        return [site for pk, site in self.sites.items() if not self.is_across(pk)]

    @property
    def site_words(self) -> str:
        return words_of(self.sites.values())


def words_of(sites: Iterable[Site]) -> str:
    return ", ".join(f"{site.number} {site.name}" for site in sites)


def senders_of(studies: Collection[Study], *, trial: Trial) -> dict[int, Senders]:
    """By study: everybody who sent any of its images."""
    keys = [study.pk for study in studies]
    found: dict[int, Senders] = {key: Senders() for key in keys}
    sites = {site.pk: site for site in Site.objects.filter(trial=trial)}
    came = (
        Instance.objects.filter(study__in=keys, delivery__isnull=False)
        # A release names the sender of the file; when it was sent its first delivery knows.
        .annotate(sent_at=Coalesce("delivery__release_of__delivery__opened_at", "delivery__opened_at"))
        .order_by("study", "sent_at")
        .values(
            "study",
            "delivery",
            "delivery__actor",
            "delivery__actor__username",
            "delivery__actor__display_name",
            "delivery__calling_ae_title",
            "delivery__sent_for_kind",
            "delivery__sent_for_id",
            "sent_at",
        )
        .distinct()
    )
    rows = list(came)
    staff = _staff({row["delivery__actor"] for row in rows} - {None}, sites=sites)
    for row in rows:
        senders = found[row["study"]]
        name = (
            row["delivery__calling_ae_title"]
            or row["delivery__actor__display_name"]
            or row["delivery__actor__username"]
        )
        if name and name not in senders.names:
            senders.names.append(name)
        theirs = staff.sites_sent_for(
            actor=row["delivery__actor"],
            at=row["sent_at"],
            source_kind=row["delivery__sent_for_kind"],
            source_container=row["delivery__sent_for_id"],
        )
        if theirs:
            senders.of_each.append(theirs)
            senders.sites |= {pk: sites[pk] for pk in sorted(theirs)}
    return found


def sites_of_deliveries(deliveries: Collection[Delivery], *, trial: Trial) -> dict[Any, str]:
    """By delivery: the sites it was sent for, in words. "" when it is of none."""
    sites = {site.pk: site for site in Site.objects.filter(trial=trial)}
    staff = _staff({one.actor_id for one in deliveries} - {None}, sites=sites)
    found = {}
    for one in deliveries:
        theirs = _sites_of(one, staff=staff)
        found[one.pk] = Senders(sites={pk: sites[pk] for pk in sorted(theirs)}).site_words
    return found


def _sent_at(delivery: Delivery) -> datetime:
    return delivery.release_of.delivery.opened_at if delivery.release_of is not None else delivery.opened_at


def sites_sent_for(delivery: Delivery, *, trial: Trial) -> dict[int, Site]:
    """The sites that a delivery was sent for, by key."""
    sites = {site.pk: site for site in Site.objects.filter(trial=trial)}
    theirs = _sites_of(delivery, staff=_staff({delivery.actor_id} - {None}, sites=sites))
    return {pk: sites[pk] for pk in sorted(theirs)}


def _sites_of(delivery: Delivery, *, staff: _Staff) -> frozenset[int]:
    return staff.sites_sent_for(
        actor=delivery.actor_id,
        at=_sent_at(delivery),
        source_kind=delivery.sent_for_kind,
        source_container=delivery.sent_for_id,
    )


FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Staff:
    """The sites of one trial, and until when each of some people were or will be staff of which."""

    sites: frozenset[int]
    until: dict[Any, list[tuple[int, datetime]]]

    def sites_sent_for(
        self, *, actor: int | None, at: datetime, source_kind: str, source_container: int | None
    ) -> frozenset[int]:
        """The sites that a delivery was sent for.

        A person sends for every site whose staff they were `at` its beginning or have become since, also when they have
        left meanwhile; a DICOM sender, which is no person, for the site that the intake policy names it for.
        """
        if actor is not None:
            return frozenset(site for site, ended in self.until.get(actor, ()) if ended > at)
        if source_kind == Site.container_kind() and source_container in self.sites:
            return frozenset({source_container})
        return frozenset()


def _staff(people: Iterable[Any], *, sites: dict[int, Site]) -> _Staff:
    grants = RoleGrant.objects.filter(
        user__in=list(people),
        container_role__container_kind=Site.container_kind(),
        container_role__container_id__in=list(sites),
    ).values_list("user", "container_role__container_id", "ended_at", "expires_at")
    found: dict[Any, list[tuple[int, datetime]]] = defaultdict(list)
    for user, site, ended, expires in grants:
        found[user].append((site, min(moment or FOR_EVER for moment in (ended, expires))))
    return _Staff(sites=frozenset(sites), until=found)


def reason_code(*, study: Study, said: Said, senders: Senders, trial: Trial, subject: Subject | None) -> str:
    """Why the study is not matched by itself (`trials.domain.matching`); empty when nothing speaks against it.

    `subject` is the one that the images name, with its site; None when the trial has none of that ID.
    """
    if not matching.subject_named(said, protocol_id=trial.protocol_id):
        is_other = bool(said.protocol_id) and matching.folded(said.protocol_id) != matching.folded(trial.protocol_id)
        return matching.OTHER_PROTOCOL if is_other else matching.NAMES_NOBODY
    if subject is None:
        return matching.UNKNOWN_SUBJECT
    if not matching.agrees(said, site_number=subject.site.number):
        return matching.OTHER_SITE_NAMED
    if not lifecycle.is_editable(subject.state):
        return matching.SUBJECT_LEFT
    if senders.is_across(subject.site_id):
        return matching.OTHER_SITE_SENT
    return "" if study.settled_at is not None else matching.NOT_SETTLED


def subjects_named(names: Iterable[str], *, trial: Trial) -> dict[str, Subject]:
    """Folded Subject ID → subject."""
    wanted = {name for name in names if name}
    rows = (
        Subject.objects.annotate(folded=Upper("subject_id"))
        .select_related("site", "trial__organisation")
        .filter(Q(folded__in=wanted), trial=trial)
    )
    return {matching.folded(row.subject_id): row for row in rows}


@dataclass(slots=True)
class Question:
    """What a coordinator has to know of a study that waits."""

    said: Said
    senders: Senders
    code: str
    subject: Subject | None


def questions_of(studies: Collection[Study], *, trial: Trial, said: dict[int, Said]) -> dict[int, Question]:
    """By study; `said` is what the images of each say (`trials.services.matching.said_by`)."""
    senders = senders_of(studies, trial=trial)
    named = {study.pk: matching.subject_named(said[study.pk], protocol_id=trial.protocol_id) for study in studies}
    subjects = subjects_named(named.values(), trial=trial)
    found = {}
    for study in studies:
        subject = subjects.get(named[study.pk])
        code = reason_code(study=study, said=said[study.pk], senders=senders[study.pk], trial=trial, subject=subject)
        found[study.pk] = Question(said[study.pk], senders[study.pk], code, subject)
    return found
