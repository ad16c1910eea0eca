"""A hospital that shares studies, and guests who come in by its links."""

from __future__ import annotations

from typing import Any

from django.test import Client

from access import services
from access.grant_policy import change_policy
from access.models import Organisation, Share, User
from access.sharing import services as sharing
from archive.models import Study
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes
from tests.dicomweb.factories import settle


class Hospital:
    """An organisation with one archive, two patients, two studies of the first, and somebody who may share."""

    def __init__(self, sharing_rule: str = "links") -> None:
        self.organisation: Organisation = make_organisation()
        self.archive = make_archive(self.organisation)
        self.manager: User = self._with_role("manager")
        self.reader: User = self._with_role("reader")
        self.member: User = make_member(self.organisation)
        self.officer: User = make_member(self.organisation, roles=("officer",))
        self.studies = [self._study(patient) for patient in ("P-1", "P-1", "P-2")]
        self.study, self.prior, self.other = self.studies
        settle(self.archive)
        self.allow(sharing_rule)

    def _with_role(self, role: str) -> User:
        user = make_member(self.organisation)
        services.grant_role(actor=None, container=self.archive, role=role, user=user)
        return user

    def _study(self, patient: str) -> Study:
        first = make_dataset()
        datasets = [
            make_dataset(
                StudyInstanceUID=first.StudyInstanceUID,
                SeriesInstanceUID=first.SeriesInstanceUID,
                InstanceNumber=number + 1,
                PatientID=patient,
                PatientName="Miller^Anna",
            )
            for number in range(3)
        ]
        deliver(self.archive, [to_bytes(dataset) for dataset in datasets])
        with tenant(self.organisation):
            return Study.objects.select_related("archive").get(study_instance_uid=first.StudyInstanceUID)

    def allow(self, rule: str) -> None:
        with tenant(self.organisation):
            change_policy(actor=None, organisation=self.organisation, changes={"sharing": rule})

    def share(self, study: Study | None = None, **changes: Any) -> tuple[Share, str]:
        values: dict[str, Any] = {
            "audience": "link",
            "recipient_name": "Dr. Guest, Elsewhere",
            "purpose": "Second opinion",
            **changes,
        }
        with tenant(self.organisation):
            return sharing.create_share(
                actor=self.manager, kind="study", thing=(study or self.study).public_id, **values
            )

    def landing(self, share: Share) -> str:
        return f"/o/{self.organisation.slug}/shared/{share.public_id}/"

    def dicomweb(self, study: Study, path: str = "") -> str:
        return f"/o/{self.organisation.slug}/dicomweb/{self.archive.slug}/studies/{study.study_instance_uid}{path}"

    def series(self, study: Study) -> str:
        with tenant(self.organisation):
            return str(study.series.get().series_instance_uid)

    def instance(self, study: Study) -> str:
        with tenant(self.organisation):
            return str(study.instances.order_by("instance_number").first().sop_instance_uid)


def enter(code: str, password: str = "", client: Client | None = None) -> tuple[Client, Any]:
    client = client or Client()
    return client, client.post("/shared/", {"code": code, "password": password})


def let_in(hospital: Hospital, **changes: Any) -> tuple[Client, Share]:
    share, code = hospital.share(**changes)
    client, answer = enter(code, changes.get("password", ""))
    assert answer.status_code == 302, answer.content
    assert answer["Location"] == hospital.landing(share)
    return client, share


def addresses_of(hospital: Hospital, study: Study) -> dict[str, str]:
    series, image = hospital.series(study), hospital.instance(study)
    return {
        "metadata": hospital.dicomweb(study, "/metadata"),
        "series": hospital.dicomweb(study, "/series"),
        "series metadata": hospital.dicomweb(study, f"/series/{series}/metadata"),
        "thumbnail": hospital.dicomweb(study, f"/series/{series}/thumbnail"),
        "instances": hospital.dicomweb(study, f"/series/{series}/instances"),
        "frame": hospital.dicomweb(study, f"/series/{series}/instances/{image}/frames/1"),
        "rendered": hospital.dicomweb(study, f"/series/{series}/instances/{image}/rendered"),
    }


def bulk_addresses(hospital: Hospital, study: Study) -> list[str]:
    series, image = hospital.series(study), hospital.instance(study)
    return [
        hospital.dicomweb(study),
        hospital.dicomweb(study, f"/series/{series}"),
        hospital.dicomweb(study, f"/series/{series}/instances/{image}"),
        hospital.dicomweb(study, "/rendered"),
    ]
