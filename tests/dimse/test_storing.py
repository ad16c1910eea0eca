"""Objects that come in over the network are stored, and only what is safe is acknowledged."""

from __future__ import annotations

import pytest
from pydicom.uid import generate_uid

from tests.archive.factories import make_archive, make_dataset, to_bytes
from tests.dimse.factories import index_all, running_listener, send, spooled_files, stored_uids

pytestmark = pytest.mark.django_db(transaction=True)


def prepared(**elements):
    dataset = make_dataset(**elements)
    to_bytes(dataset)
    return dataset


def test_objects_are_stored_in_the_archive_that_the_called_ae_title_names():
    archive, other = make_archive(ae_title="HERE"), make_archive(ae_title="THERE")
    datasets = [prepared() for _unused in range(5)]
    with running_listener() as port:
        assert send(port, datasets, called="HERE") == [0x0000] * 5
    index_all()
    assert stored_uids(archive) == sorted(dataset.SOPInstanceUID for dataset in datasets)
    assert stored_uids(other) == []
