"""Bytes of a text file → text: byte order marks, UTF-8, UTF-16, and the code pages that instruments still write."""

from __future__ import annotations

import codecs
import re

from ipage_core.tasks.table.errors import Unreadable, WrongSetting

SAMPLE = 100_000
"""Number of bytes that determine the code page."""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order mark → encoding; UTF-32 comes first because its mark begins like that of UTF-16."""
WESTERN = ("cp1252", "mac_roman", "cp850")
"""Code pages of Western Europe: Windows, old Macintosh, DOS."""
OTHERS = ["cp1250", "cp1251", "cp1253", "cp1254", "koi8_r", "shift_jis", "gb18030", "big5", "cp949", "euc_jp"]
"""Code pages among which charset-normalizer chooses if no Western one fits."""
FREQUENT = {
    "shift_jis": "[\x82\x83\x88-\x97][\x40-\xfc]", "cp932": "[\x81-\x83\x87-\x97][\x40-\xfc]",
    "gb18030": "[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]", "big5": "[\xa4-\xc6][\x40-\xfe]",
    "cp949": "[\xb0-\xc8][\xa1-\xfe]", "euc_jp": "[\xa4\xa5\xb0-\xcf][\xa1-\xfe]",
}  # fmt: skip
"""Code pages of East Asia, and in each the pairs of bytes of kana, hangul and the more frequent characters."""
PLAIN = set("°µ±²³¹·×ÅåÄäÖöÜüßÉéÈèÊêÀàÂâÇçÑñÓóÔôØøÆæÍíÚúÎîÏïËëÏï¼½¾ª§«»–—−’‘“”•…€Ωμ∆√∞≤≥ \u00a0")
"""Non-ASCII characters in tables of Western languages."""
_ODD = re.compile(r"[^\x00-\x7f]{3}|(?<![A-Za-z])[øæñ](?![a-zà-ÿ])|[A-Za-z][²³¹][a-z]|[=<][°²]")
"""Signs of a wrong code page: three non-ASCII characters in a row, a lone ø for a DOS degree sign, 'wytrzyma³o'."""


def decode(content: bytes, given: str | None = None) -> tuple[str, str]:
    """The text of a file and the name of its encoding; ``given`` sets it.

    Raises:
        Unreadable: the bytes are not text in any encoding, or not in the given one.
        WrongSetting: the given encoding is unknown.
    """
    if given:
        try:
            return content.decode(given).lstrip("\ufeff"), codecs.lookup(given).name
        except LookupError:
            raise WrongSetting(
                f"The encoding '{given}' is not known; accepted: utf-8, cp1252, utf-16, mac_roman, …"
            ) from None
        except UnicodeDecodeError:
            raise Unreadable(f"it is not text in {given}") from None
    marked = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    for name in [marked] if marked else ["utf-8", *_without_mark(content)]:
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        ascii_too = name == "utf-8" or sum(c < "\x80" for c in text[:SAMPLE]) >= 0.1 * len(text[:SAMPLE])
        if "\x00" not in text and ascii_too:  # digits are ASCII; arbitrary bytes read as UTF-16 are mostly Chinese
            return text.lstrip("\ufeff"), name.removesuffix("-sig")
    if marked or b"\x00" in content[:SAMPLE]:
        raise Unreadable("it is not text in UTF-8, UTF-16 or a code page")
    return _by_code_page(content)


def _without_mark(content: bytes) -> list[str]:
    """UTF-16 without its mark: ASCII has a zero in every second byte."""
    head = content[:SAMPLE]
    zeros = [head[k::2].count(0) / max(1, len(head) // 2) for k in (0, 1)]
    return ["utf-16-le"] if zeros[1] > 0.5 > zeros[0] else ["utf-16-be"] if zeros[0] > 0.5 > zeros[1] else []


def _frequent(sample: bytes, page: str) -> float:
    """Share of the frequent characters among those beyond ASCII; below 0 if the bytes do not fit the code page."""
    try:
        beyond = [c.encode(page) for c in sample.decode(page) if c > "\x7f"]
    except UnicodeError:
        return -1.0
    return sum(bool(re.fullmatch(FREQUENT[page].encode("latin-1"), c)) for c in beyond) / max(1, len(beyond))


def _by_code_page(content: bytes) -> tuple[str, str]:
    beyond = [line for line in content.splitlines() if not line.isascii()]
    sample = b"\n".join(beyond)[:SAMPLE]
    for name in WESTERN:
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            continue
        if not _ODD.search(text) and {c for c in text if c > "\x7f"} <= PLAIN:
            return content.decode(name, "replace"), name
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=[*OTHERS, *WESTERN]).best()
    name = best.encoding if best is not None else "cp1252"
    if best is not None and name in FREQUENT:
        name = max(FREQUENT, key=lambda page: (_frequent(sample, page), page == best.encoding))
    try:
        return content.decode(name), name
    except UnicodeDecodeError:
        raise Unreadable("it is not text in UTF-8, UTF-16 or a code page") from None
