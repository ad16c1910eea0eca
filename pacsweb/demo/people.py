"""The invented people of the demo hospital, with names in many scripts (PS3.5 6.2.1: the groups of a person name)."""

from __future__ import annotations

from pacsweb.demo.phantoms.model import Person

UTF8 = "ISO_IR 192"


def _person(
    number: int, name: str, birth: str, sex: str, height: float, weight: float, character_set: str = UTF8
) -> Person:
    return Person(
        patient_id=f"DH-{number:06d}", name=name, birth_date=birth, sex=sex, character_set=character_set,
        issuer="DEMO HOSPITAL", height_m=height, weight_kg=weight,
    )  # fmt: skip


PEOPLE: dict[str, Person] = {
    # Latin with accents, in the single-byte set that scanners of Western Europe send.
    "garcia": _person(104211, "García Muñoz^María José", "19630214", "F", 1.63, 68, "ISO_IR 100"),
    "bjork": _person(117345, "Björkström^Åke", "19550830", "M", 1.81, 88, "ISO_IR 100"),
    "lefevre": _person(120077, "Lefèvre^Anaïs", "19880419", "F", 1.68, 61, "ISO_IR 100"),
    "okafor": _person(124918, "Okafor^Chidi", "19970603", "M", 1.90, 78, "ISO_IR 100"),
    "szabo": _person(126300, "Szabó^Zoltán", "19480111", "M", 1.72, 80),
    "dvorakova": _person(131452, "Dvořáková^Ludmila", "19411205", "F", 1.58, 57),
    "nguyen": _person(133874, "Nguyễn^Thị Hồng", "19750718", "F", 1.55, 52),
    "yilmaz": _person(139001, "Yılmaz^Gülşen", "19690925", "F", 1.61, 70),
    # Japanese and Korean with their ideographic and phonetic groups, by code extension (PS3.5 annexes H and I).
    "yamada": _person(140216, "Yamada^Tarou=山田^太郎=やまだ^たろう", "19580303", "M", 1.67, 64, "\\ISO 2022 IR 87"),
    "sato": _person(141530, "Sato^Hanako=佐藤^花子=さとう^はなこ", "19800916", "F", 1.60, 54),
    "hong": _person(143377, "Hong^Gildong=洪^吉洞=홍^길동", "19711021", "M", 1.74, 72, "\\ISO 2022 IR 149"),
    # Chinese, Cyrillic, Greek, Arabic, Hebrew, Thai.
    "wang": _person(145902, "Wang^XiaoDong=王^小东", "19660507", "M", 1.70, 69, "GB18030"),
    "ivanova": _person(147113, "Иванова^Татьяна^Сергеевна", "19520622", "F", 1.62, 74, "ISO_IR 144"),
    "papadopoulos": _person(148860, "Παπαδόπουλος^Γεώργιος", "19440210", "M", 1.69, 77, "ISO_IR 126"),
    "alhaddad": _person(151204, "الحداد^نور", "19930812", "F", 1.64, 59, "ISO_IR 127"),
    "cohen": _person(152781, "כהן^יעל", "19790130", "F", 1.66, 63, "ISO_IR 138"),
    "suksawat": _person(154440, "สุขสวัสดิ์^สมชาย", "19610417", "M", 1.65, 66, "ISO_IR 166"),
    "patel": _person(156018, "Patel^Aarav=पटेल^आरव", "20170527", "M", 1.26, 25),
    "demo-normal-1": _person(158233, "Hansen^Ingrid", "19860212", "F", 1.70, 65, "ISO_IR 100"),
    "demo-normal-2": _person(159640, "Rossi^Paolo", "19740808", "M", 1.76, 79, "ISO_IR 100"),
    "demo-normal-3": _person(161007, "O'Connor^Siobhán", "19900611", "F", 1.67, 60, "ISO_IR 100"),
    "demo-normal-4": _person(162515, "Müller-Lüdenscheidt^Jürgen^^Dr.", "19690404", "M", 1.80, 91, "ISO_IR 100"),
}

#: Referring physicians, written as the hospital's systems send them.
REFERRERS = ("Lindqvist^Eva^^Dr.", "Haddad^Samir^^Dr.", "Tanaka^Keiko^^Dr.", "Moreau^Luc^^Prof.", "Osei^Abena^^Dr.")


def anonymous(code: str, *, sex: str = "O", birth: str = "19700101") -> Person:
    """Return a subject that never had another name: phantoms sent straight to a de-identified archive."""
    return Person(code, code, birth, sex, "ISO_IR 100", "", 1.70, 70.0, is_pseudonym=True)
