"""Laws: dates keep their intervals, UIDs map one to one, doing it twice changes nothing."""

from __future__ import annotations

import datetime as dt
import io
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.domain import dates, pipeline, pseudonyms, uids
from deid.domain.uids import UidMapper
from tests.deid.builders import KEY, make_dataset, make_settings, process, read

days = st.integers(min_value=-3650, max_value=3650)
moments = st.dates(min_value=dt.date(1911, 1, 1), max_value=dt.date(2090, 1, 1))
datetimes = st.datetimes(
    min_value=dt.datetime(1911, 1, 1),  # noqa: DTZ001 -- DT values without offset
    max_value=dt.datetime(2090, 1, 1),  # noqa: DTZ001
)
components = st.integers(min_value=0, max_value=10**12).map(str)
any_uid = st.lists(components, min_size=2, max_size=5).map(lambda parts: "1.2." + ".".join(parts))


class TestDates:
    @given(moments, moments, days)
    def test_intervals_survive(self, first: dt.date, second: dt.date, shift: int) -> None:
        moved = [dates.shift_date(day.strftime("%Y%m%d"), days=shift) for day in (first, second)]
        assert None not in moved
        a, b = (dt.date.fromisoformat(str(value)) for value in moved)
        assert b - a == second - first

    @given(datetimes, days)
    def test_the_time_of_day_and_the_zone_stay(self, moment: dt.datetime, shift: int) -> None:
        text = moment.strftime("%Y%m%d%H%M%S.%f") + "-0530"
        moved = dates.shift_datetime(text, days=shift)
        assert moved is not None and moved[8:] == text[8:]
        assert moved[:8] == dates.shift_date(text[:8], days=shift)

    @given(moments, days)
    def test_moving_back_gives_the_date(self, day: dt.date, shift: int) -> None:
        text = day.strftime("%Y%m%d")
        assert dates.shift_date(dates.shift_date(text, days=shift) or "", days=-shift) == text

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("2024.01.31", "20240301"), ("20240131", "20240301"), ("20240230", None), ("2024", None), ("", None),
            ("20241301", None), ("00000000", None), ("99991231", None), ("yesterday", None), ("20240131 ", "20240301"),
            ("00010101", "00010131"),
        ],
    )  # fmt: skip
    def test_odd_dates(self, value: str, expected: str | None) -> None:
        assert dates.shift_date(value, days=30) == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("2024", "2024"), ("202401", "202402"), ("20240131", "20240301"), ("2024013110", "2024030110"),
            ("20240131101500.5", "20240301101500.5"), ("20240131101500+0100", "20240301101500+0100"),
            ("2024-0500", "2024-0500"), ("20240131-0500", "20240301-0500"), ("202413", None), ("soon", None),
            ("20240131101500Z", None),
        ],
    )  # fmt: skip
    def test_partial_and_odd_datetimes(self, value: str, expected: str | None) -> None:
        assert dates.shift_datetime(value, days=30) == expected

    @given(st.text(max_size=40), st.integers(min_value=1, max_value=5000))
    def test_the_shift_is_never_zero_and_within_the_window(self, patient: str, window: int) -> None:
        shift = dates.shift_days(key=KEY, patient_key=patient, window_days=window)
        assert shift and -window <= shift <= window
        assert shift == dates.shift_days(key=KEY, patient_key=patient, window_days=window)

    @given(st.text(max_size=30))
    def test_no_text_breaks_it(self, text: str) -> None:
        for moved in (dates.shift_date(text, days=7), dates.shift_datetime(text, days=7)):
            assert moved is None or moved[:4].isdigit()


class TestUids:
    @given(st.lists(any_uid, unique=True, min_size=2, max_size=30))
    def test_different_uids_stay_different_and_are_valid(self, originals: list[str]) -> None:
        mapper = UidMapper(key=KEY)
        new = [mapper.new_uid(uid) for uid in originals]
        assert len(set(new)) == len(originals)
        for uid in new:
            assert len(uid) <= 64 and uid.startswith("2.25.")
            assert uuid.UUID(int=int(uid[5:])).version == 8

    @given(any_uid)
    def test_the_same_key_gives_the_same_and_another_key_another(self, uid: str) -> None:
        assert UidMapper(key=KEY).new_uid(uid) == UidMapper(key=KEY).new_uid(uid + "\0")
        assert UidMapper(key=KEY).new_uid(uid) != UidMapper(key=KEY[::-1]).new_uid(uid)

    @pytest.mark.parametrize(
        "uid",
        [
            "1.2.840.10008.1.2.1",
            "1.2.840.10008.5.1.4.1.1.2",
            "1.2.840.10008.1.4.1.1",
            "1.2.840.10008.2.16.4",
            "1.2.840.10008.6.1.29",
            "2.16.840.1.113883.6.96",
            "",
        ],
    )
    def test_registered_uids_stay(self, uid: str) -> None:
        assert UidMapper(key=KEY).new_uid(uid) == uid

    @pytest.mark.parametrize(
        "uid",
        [
            "1.2.840.10008.MRN-1",
            "1.2.840.10008.1..2",
            "1.2.840.10008." + "1" * 60,
            "1.2.840.10008.5.1.4.1.1.2.7654321",
            "1.2.840.10008.7654321.1",
            "1.2.840.10008.6.1.7654321",
            "2.16.840.1.113883.3.9021.5.20200102.1",
            "2.16.840.1.113883.6.96.7654321",
            "MRN 12",
        ],
    )
    def test_what_only_looks_registered_is_mapped(self, uid: str) -> None:
        assert not uids.is_registered(uid)
        assert UidMapper(key=KEY).new_uid(uid).startswith("2.25.")

    def test_a_short_key_is_refused(self) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            UidMapper(key=b"short")


class TestPseudonyms:
    @given(st.lists(st.text(min_size=1, max_size=20), unique=True, min_size=2, max_size=20))
    def test_patients_get_their_own_and_keep_it(self, patients: list[str]) -> None:
        made = [pseudonyms.subject(key=KEY, patient_key=patient) for patient in patients]
        assert len({one.patient_id for one in made}) == len(patients)
        assert made == [pseudonyms.subject(key=KEY, patient_key=patient) for patient in patients]

    def test_a_second_attempt_is_another_one(self) -> None:
        first, second = (pseudonyms.subject(key=KEY, patient_key="x", attempt=n) for n in (0, 1))
        assert first.patient_id != second.patient_id and first.shift_days == second.shift_days

    def test_the_same_id_of_two_issuers_is_two_patients(self) -> None:
        assert pseudonyms.patient_key(patient_id="1", issuer="A") != pseudonyms.patient_key(patient_id="1", issuer="B")

    def test_nobody_at_all_is_refused(self) -> None:
        with pytest.raises(ValueError, match="tells the patient"):
            pseudonyms.patient_key(patient_id=" ")


class TestTheWholeFile:
    def test_the_same_input_gives_the_same_bytes(self) -> None:
        dataset = make_dataset()
        first, second = process(dataset), process(dataset)
        assert first[1] == second[1] and first[0].digest == second[0].digest

    def test_dates_of_every_level_move_together(self) -> None:
        item = make_dataset(PixelData=None)
        dataset = make_dataset(
            StudyDate="20240131",
            SeriesDate="20240201",
            AcquisitionDateTime="20240202101010",
            ReferencedSeriesSequence=[item],
        )
        item.StudyDate = "20240130"
        _outcome, output = process(dataset)
        after = read(output)
        base = dt.date.fromisoformat(after.StudyDate)
        assert (dt.date.fromisoformat(after.SeriesDate) - base).days == 1
        assert (dt.date.fromisoformat(after.AcquisitionDateTime[:8]) - base).days == 2
        assert (dt.date.fromisoformat(after.ReferencedSeriesSequence[0].StudyDate) - base).days == -1

    def test_what_is_de_identified_already_passes_again(self) -> None:
        _outcome, once = process(make_dataset())
        again, twice = process(once, who=pseudonyms.subject(key=KEY, patient_key="the pseudonym"))
        assert again.verdict.value == "pass"
        assert read(twice).DeidentificationMethod == read(once).DeidentificationMethod
        assert len(read(twice).DeidentificationMethodCodeSequence) == 2

    @given(st.binary(max_size=600))
    def test_bytes_that_are_no_file_are_held_back(self, content: bytes) -> None:
        outcome = pipeline.process(source=io.BytesIO(content), target=io.BytesIO(), settings=make_settings())
        assert [reason.value for reason in outcome.reasons] in (["unreadable"], ["unknown-sop-class"])
