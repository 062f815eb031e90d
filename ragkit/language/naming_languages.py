"""Which language a text is in, told by its commonest words; silence where that is not plain."""

from __future__ import annotations

import re

# The commonest words of each language that are not as common in another one of these.
_COMMON = {
    "English": """the of and to in is that for it was with as are on be this have from by not or an
        at which what how when where who why does did do can you we they their his her has been
        many much long should must will would""",
    "German": """der die das und ist den von zu mit sich des auf für nicht ein eine als auch es an
        werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über wer was wann
        wo welche welcher welches kann muss ich wir ihr mein viel lange""",
    "French": """le la les des est et un une du dans que pour qui sur pas plus par avec au ce sont
        il elle nous vous ils cette ont aux mais comme ou son sa ses quel quelle combien où quand
        comment pourquoi peut""",
    "Spanish": """el los las del se por con una para es como más pero sus al lo este ya entre cuando
        todo esta ser son dos también fue había era muy hasta qué cuál cuánto cuántos dónde quién
        cómo está tiene puede""",
    "Italian": """il di che è per una sono non con del della dei le gli si da nel alla più anche
        questo come ha ma al dal delle quale quali quanto quando dove chi perché può cosa""",
    "Portuguese": """o os as um uma de do da dos das em no na que não é para com por se mais como
        mas foi ao ele ela são você qual quanto quando onde quem porque está tem pode""",
    "Dutch": """de het een en van is dat op te in voor met zijn niet aan er om ook als maar bij of
        uit wordt naar door heeft wat wie waar wanneer hoe welke hoeveel waarom kan moet ik wij""",
}
_WORDS = {name: frozenset(text.split()) for name, text in _COMMON.items()}
_SCRIPTS = (
    ("Japanese", re.compile(r"[\u3040-\u30ff]")),
    ("Korean", re.compile(r"[\uac00-\ud7af]")),
    ("Chinese", re.compile(r"[\u4e00-\u9fff]")),
    ("Greek", re.compile(r"[\u0370-\u03ff]")),
    ("Hebrew", re.compile(r"[\u0590-\u05ff]")),
    ("Thai", re.compile(r"[\u0e00-\u0e7f]")),
)
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+")
_MOST_CHARACTERS = 2_000
_LEAD = 2


def language_name(text: str) -> str | None:
    """Return the English name of the language of ``text``, or ``None`` where that is not plain."""
    text = text[:_MOST_CHARACTERS]
    letters = len(_LETTER.findall(text))
    if not letters:
        return None
    for name, script in _SCRIPTS:
        if len(script.findall(text)) > letters / 4:
            return name
    found = [word.casefold() for word in _WORD.findall(text)]
    counts = sorted(
        ((sum(word in common for word in found), name) for name, common in _WORDS.items()),
        reverse=True,
    )
    (best, name), (second, _) = counts[:2]
    return name if best >= _LEAD and best >= _LEAD * second else None
