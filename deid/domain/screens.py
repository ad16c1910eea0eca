"""Words by which saved screens, dose sheets and report pages say what they are: image types and names of series.

Only whole words count, so that FORM is not found in REFORMATTED. The series' name is written in the language of the
hospital; what an unknown language calls a screen is caught by what an acquired image has to show (`deid.domain.acquired`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from deid.domain.identifiers import fold
from deid.domain.words import words

# No defined term of Image Type in PS3.3 (C.7.6.1.1.2, C.8.2.1, C.8.3.1, C.8.7.1, C.8.16.1) has one of these words.
_TYPE_WORDS: Final = words(
    """
    capture captured dump form graph graphs hardcopy page pasted print printout prot protocol report reports
    save saved saver savescreen screen screens screencapture screensave screensaver screenshot screenshots sheet
    snapshot summary
    doseinfo doseinformation dosereport dosesheet dosetable
    """
)
_DOSE_TYPE: Final = re.compile(r"\bdose (?:data|info|information|page|record|report|sheet|summary|table)\b")
# A page with a table ends in the word; a table that moves (stepping table angiography) is the patient's.
_TABLE: Final = re.compile(r"(?<!moving )(?<!stepping )(?<!step )\btable$")
_NOT_WORD: Final = re.compile(r"[\W_]+")

# GE's freezing of coronary motion and its prospective gating are names of acquisitions.
_SNAPSHOT_SCANS: Final = r"(?! ?(?:assist|burst|cardiac|cine|freeze|fz|plus|pulse|segment|\d+(?: \d+)? ?%))"

# Regular expressions for whole words, one a line; `*` stands for the rest of a word.
_PHRASES: Final = """
screen ?(?:save|saver|shot|capture|copy|dump|grab|print|image)s?
save ?screens?
(?:saved|captured|stored) (?:image|picture|screen)s?
(?:image|picture|screen)s? (?:saved|captured)
secondary captures?
print ?outs?
hard ?cop(?:y|ies)
reports?
(?:dose|dlp|ctdi) (?:data|info|information|page|protocol|record|sheet|summary|table)
rdsr
(?:patient|exam|examination) ?protocols?
protocol (?:page|sheet)
(?:results?|summary) (?:page|sheet|table|summary|screen)
summary

bildschirm*
gespeicherte?[ns]? bild(?:er)?
dosis ?(?:bericht|protokoll|info|blatt|tabelle|u(?:e)?bersicht|auswertung|report|rapport|verslag|overzicht|oversigt)*
patienten ?protokolle?
protokollseiten?
(?:untersuchungs|befund|mess) ?bericht*
berichte?

(?:copie|capture)s? (?:d )?(?:ecran|image)s?
ecrans?
images? (?:sauvegarde|enregistre|sauve)e?s?
(?:fiche|feuille|releve|resume|bilan|tableau|info|infos) (?:de |des )?(?:la )?(?:dose|doses|dosimetrie|dosimetrique)
rapports?
compte rendus?

capturas? (?:de )?(?:la )?(?:pantalla|imagen|tela|ecra)
pantallas?
pantallazos?
imagen(?:es)? (?:guardada|grabada|capturada)s?
image(?:m|ns) (?:salva|guardada|gravada|capturada)s?
(?:hoja|resumen|registro|protocolo|tabla|datos|resumo|folha|ficha|registo|tabela|dados) (?:de |da )?(?:la )?(?:dosis|dose|doses)
informes?
relatorios?

schermat[ae]
(?:cattura|copia|stampa) (?:dello |di |della )?(?:schermo|schermata)
immagin[ei] salvat[ae]
(?:scheda|riepilogo|tabella|foglio|dati) (?:di |della |delle )?dos[ei]
rapporto
referto

scherm(?:afbeelding|afdruk|opname|kopie)(?:en)?
opgeslagen beeld(?:en)?
verslag

skarm(?:bild|dump|avbild)*
skjerm(?:bilde|dump|kopi)*
skaerm(?:billede|dump|print)*
skærm(?:billede|dump|print)*
dos(?:e|is)?rapport*
kuvakaappau*
annosraport*

zrzut(?:y)? ekranu
raporty?
snim(?:ek|ky) obrazovky
zprava o davce
kepernyo*
dozisjelentes
jelentes
ekran (?:goruntusu|resmi|kaydi)
captura ecran
raport(?:ul)?
(?:doz )?rapor(?:u)?
στιγμιοτυπο*
αναφορα

отчет*
экран*
скриншот*
сн(?:имок|имки) экрана
сохраненн* (?:изображени|снимк|снимок)*
(?:протокол|таблица|сводка|лист) доз*
звіт*
знімок екрана
екран*
"""

# Nothing of a scan when they are all that the name says; "low dose" is a scan.
_ALONE: Final = words("dose doses dosis dosi doza доза дозы δοση 線量 剂量 劑量 선량 screen screens save saved capture")

# Scripts without spaces between words: any part counts. "Low dose" is a scan there as well (低線量, 低剂量, 저선량).
_PARTS: Final = """
線量情報 線量記録 線量表 レポート 報告 画面 スクリーン キャプチャ 保存画像 画像保存
剂量信息 剂量记录 剂量表 劑量資訊 劑量表 报告 報告 截图 截圖 截屏 屏幕 螢幕
선량정보 선량기록 선량표 보고서 리포트 레포트 화면 스크린 캡처 캡쳐
تقرير لقطة
צילוםמסך
"""


def _pattern() -> re.Pattern[str]:
    phrases = [line.strip().replace("*", r"\w*") for line in _PHRASES.splitlines() if line.strip()]
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(fold, phrases))}|snapshots?{_SNAPSHOT_SCANS})(?!\w)")


_SHEET: Final = _pattern()
_SHEET_PARTS: Final = tuple(fold(part) for part in _PARTS.split())
_SHEET_ALONE: Final = frozenset(map(fold, _ALONE))


def is_screen_type(image_type: Iterable[str]) -> bool:
    """Whether a value of Image Type (0008,0008) says that this is a saved screen, a sheet or a page."""
    for value in image_type:
        plain = _NOT_WORD.sub(" ", fold(value)).strip()
        if _TYPE_WORDS & set(plain.split()) or _DOSE_TYPE.search(plain) or _TABLE.search(plain):
            return True
    return False


def is_sheet_name(text: str) -> bool:
    """Whether the name of a series, or a comment, names a saved screen, a dose sheet or a page of a report."""
    folded = fold(text)
    plain = " ".join(re.sub(r"[^\w%]|_", " ", folded).split())
    if _SHEET.search(plain) or re.sub(r"[\d ]", "", plain) in _SHEET_ALONE:
        return True
    unspaced = plain.replace(" ", "")
    return any(part in unspaced for part in _SHEET_PARTS)
