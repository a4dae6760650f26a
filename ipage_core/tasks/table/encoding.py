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
            return content.decode(given).removeprefix("\ufeff"), codecs.lookup(given).name
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
        ascii_too = name == "utf-8" or sum(c < "\x80" for c in text[:SAMPLE]) > 0.1 * len(text[:SAMPLE])
        if "\x00" not in text and ascii_too:  # digits are ASCII; arbitrary bytes read as UTF-16 are mostly Chinese
            return text, name.removesuffix("-sig")
    if marked or b"\x00" in content[:SAMPLE]:
        raise Unreadable("it is not text in UTF-8, UTF-16 or a code page")
    return _by_code_page(content)


def _without_mark(content: bytes) -> list[str]:
    """UTF-16 without its mark: ASCII has a zero in every second byte."""
    head = content[:SAMPLE]
    zeros = [head[k::2].count(0) / max(1, len(head) // 2) for k in (0, 1)]
    return ["utf-16-le"] if zeros[1] > 0.5 > zeros[0] else ["utf-16-be"] if zeros[0] > 0.5 > zeros[1] else []


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
    try:
        return content.decode(name), name
    except UnicodeDecodeError:
        raise Unreadable("it is not text in UTF-8, UTF-16 or a code page") from None
