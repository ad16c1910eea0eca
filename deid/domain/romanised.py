"""Names in Cyrillic, Greek, Hangul, kana and (surnames) Han, read in Latin letters."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from deid.domain.words import ordered


def _table(text: str) -> dict[str, tuple[str, ...]]:
    return {
        written: tuple(read.split(",")) for written, _colon, read in (entry.partition(":") for entry in text.split())
    }


# ISO 9 and the passports' tables differ; `names.sound` evens that out.
_CYRILLIC: Final = dict(zip("абвгдезийклмнопрстуфыэіїґ", "abvgdeziiklmnoprstufieiig", strict=True))
_GREEK: Final = dict(
    zip("αβγδεζηθικλμνξοπρσςτυφχψω", ordered("a v g d e z i th i k l m n x o p r s s t i f h ps o"), strict=True)
)
_DIGRAPHS: Final = _table("ё:e ж:zh х:h ц:c ч:ch ш:sh щ:sh ъ: ь: ю:u я:a є:e ј:i љ:l њ:n ћ:c ђ:d џ:d ў:u")
_LATIN: Final = str.maketrans({**_CYRILLIC, **_GREEK, **{letter: read[0] for letter, read in _DIGRAPHS.items()}})

# Surnames as pinyin and in Cantonese, Taiwanese and Korean readings; one person in two bears one of them.
_HAN: Final = _table(
    """
    王:wang,wong 李:li,lee 张:zhang 張:zhang,chang,cheung 刘:liu 劉:liu,lau
    陈:chen 陳:chen,chan 杨:yang 楊:yang,yeung 黄:huang 黃:huang,wong 赵:zhao
    趙:zhao,chiu 吴:wu 吳:wu,ng 周:zhou,chow 徐:xu,hsu 孙:sun 孫:sun 马:ma 馬:ma
    朱:zhu 胡:hu 林:lin,lam 郭:guo,kwok 何:he,ho 高:gao 罗:luo 羅:luo,lo 郑:zheng
    鄭:zheng,cheng 梁:liang,leung 谢:xie 謝:xie,hsieh 宋:song 唐:tang 许:xu
    許:xu,hui 邓:deng 鄧:deng,tang 冯:feng 馮:feng,fung 韩:han 韓:han 曹:cao
    曾:zeng,tsang 彭:peng 萧:xiao 蔡:cai,tsai,choi 潘:pan 田:tian 董:dong 袁:yuan
    于:yu 余:yu 叶:ye 葉:ye,yip 蒋:jiang 蔣:jiang 杜:du 苏:su 蘇:su 魏:wei 程:cheng
    吕:lu 呂:lu 丁:ding 沈:shen 任:ren 姚:yao 卢:lu 盧:lu 金:jin,kim 崔:cui,choi
    朴:piao,park 姜:jiang,kang 范:fan 方:fang 石:shi 谭:tan 廖:liao 邹:zou 熊:xiong
    陆:lu 陸:lu 郝:hao 孔:kong 白:bai 毛:mao 江:jiang 史:shi 顾:gu 侯:hou 邵:shao
    龙:long 万:wan 段:duan 钱:qian 汤:tang 黎:li,lai 小东:xiaodong 小東:xiaodong
    """
)

_INITIALS: Final = ordered("g kk n d tt r m b pp s ss _ j jj ch k t p h")
_VOWELS: Final = ordered("a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i")
_FINALS: Final = ordered("_ k k k n n n t l k m l l l p l m p p t t ng t t k t p t")
_HANGUL_SURNAMES: Final = _table("김:kim 이:lee,yi,rhee 박:park,pak 최:choi,choe 정:jung,chung,jeong")


def readings(part: str) -> list[str]:
    """Readings in Latin letters of a part in Cyrillic, Greek, Hangul, kana or (surnames) Han."""
    if re.search("[\u0370-\u03ff\u0400-\u04ff]", part):
        bare = _bare(part.replace("й", "\0")).replace("\0", "й")
        return [bare.translate(_LATIN)]
    if re.search("[\uac00-\ud7a3]", part):
        return [*_HANGUL_SURNAMES.get(part, ()), _hangul(part)]
    if re.search("[\u3041-\u30fa]", part):
        return [_kana(part)]
    if re.search("[\u3400-\u9fff]", part):
        # A name that is not divided: its surname is the first character.
        return [*_HAN.get(part, ()), *_HAN.get(part[0], ())]
    return []


def _hangul(part: str) -> str:
    """Revised Romanisation, syllable by syllable."""
    result = ""
    for character in part:
        index = ord(character) - 0xAC00
        if not 0 <= index < 11172:
            continue
        initial, vowel, final = index // 588, index % 588 // 28, index % 28
        syllable = (_INITIALS[initial], _VOWELS[vowel], _FINALS[final])
        result += "".join(sound for sound in syllable if sound != "_")
    return result


def _kana(part: str) -> str:
    """Hepburn romanisation by the names of the characters; long vowels are left out."""
    result = ""
    doubles = False
    for character in unicodedata.normalize("NFKC", part):
        name = unicodedata.name(character, "")
        if "LETTER" not in name:
            continue
        sound = name.rsplit(" ", 1)[1].lower()
        is_small = " SMALL " in name
        if is_small and sound == "tu":
            doubles = True
            continue
        for written, heard in (("si", "shi"), ("ti", "chi"), ("tu", "tsu"), ("hu", "fu"), ("zi", "ji"), ("di", "ji")):
            sound = heard if sound == written else sound
        if is_small and result.endswith("i"):
            result = result[:-1] + (sound[1:] if result.endswith(("shi", "chi", "ji")) else sound)
        else:
            result += (sound[0] if doubles else "") + sound
        doubles = False
    return result


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c))).casefold()
