"""Which language a text is in, told by the commonest words of each.

tantivy has stemmers for all these languages and lists of common words for most; the lists here
are for the others, and add words that ask. Tamil is not among them: its words are cut at a sign
that tantivy takes for punctuation, and so cannot be stemmed.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

ENGLISH = "english"
# Taken for English from this share of English words on, without looking at other languages.
_SURELY_ENGLISH = 0.25
# A text is in another language if so many different words and such a share of all are common ones
# there, and so many times as many as are common in English.
_FEWEST = 3
_SHARE = 0.15
_MARGIN = 2
# So many different common words must be in a question, in a language that documents are in, or
# that none is in: English questions hold names such as "de la Cruz".
_FEWEST_ASKED = 2
_FEWEST_ELSEWHERE = 3
_WORD = re.compile(r"[^\W\d_]+")

_ENGLISH = """
    a about also am an and any are as at be because been being both but by can could did do does
    doing each for from had has have having he her here him his how i if in into is it its itself
    just may me might more most must my no not of on only or other our own s same shall she should
    so some such t than that the their them then there these they this those to too up us very was
    we were what when where which while who whom whose why will with would you your
"""
_LISTED = {
    "danish": "hvad hvem hvor hvordan hvorfor hvornår hvilke hvilken kan skal",
    "dutch": "hoe hoeveel kan kunnen moet waar waarom wanneer welk welke wie wordt worden",
    "finnish": "miksi milloin miten missä mitä montako paljonko",
    "french": "a combien comment doit dont est faut où peut plus pourquoi quand quels quelles si sont",
    "german": "gibt kann können muss müssen wann warum wer wen wem wird wieso wieviel viel viele",
    "hungarian": "hány hogyan hol kell lehet mennyi miért mikor",
    "italian": "cosa cui dove perché può quali quale quando quanti quanto quante quanta si",
    "norwegian": "hva hvem hvor hvordan hvorfor når hvilke hvilken kan skal",
    "portuguese": "onde pode porque quais qual quando quanta quantas quanto quantos quem",
    "russian": "где зачем как какая какие какой когда кто можно почему сколько что это",
    "spanish": "cómo cuál cuáles cuándo cuánta cuántas cuánto cuántos dónde puede qué quién se",
    "swedish": "hur när vad var varför vem vilka vilken kan ska",
}
_OWN = {
    "arabic": """
        أن أو أي إلى إن التي الذي الذين بعد بين تم حتى ذلك على عن عند عندما غير في قبل قد كان كانت كل
        كم كما كيف لا لم لماذا ما متى مع من منذ هذا هذه هل هناك هو هي وفي ولا ومن يتم يجب يمكن أين وهو
        وهي كذلك لكن ليس
    """,
    "greek": """
        αλλά αν από αυτά αυτή αυτό αυτός για δεν είναι ένα ένας ή η θα και κάθε κατά με μετά μη μια
        μία μπορεί να ο οι όπως ότι όταν που πού πριν προς πώς πόσο πόσα πόσες πότε σας σε στα στη
        στην στις στο στον στους τα της την τη τι τις το του τον τους των τι ποια ποιο ποιος ως
        γιατί έχει έχουν ήταν
    """,
    "romanian": """
        a acest această aceste al ale am ar are asupra au că când care cât câte câți ce cel cele cine
        cu cum dacă de deci din după e ea ei el este eu fi fie fost în între îi își la lor mai nu o
        ori pe pentru poate prin sa sau să se și spre sub sunt te trebuie un unde unei unui va vor
    """,
    "turkish": """
        ama ancak bir bu çok da daha de değil diye en gibi göre hangi hem her için ile ise kadar kaç
        ki mi mı mu mü nasıl ne neden nerede olan olarak oldu olduğu olur onun sonra şu tarafından
        tüm ve veya ya yani zaman
    """,
}
_WORDS = {
    language: frozenset(words.split())
    for language, words in {ENGLISH: _ENGLISH, **_LISTED, **_OWN}.items()
}
STOP_WORDS = _WORDS[ENGLISH]
LANGUAGES = tuple(_WORDS)


@functools.cache
def _list(language: str) -> Any:
    import tantivy

    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
        .filter(tantivy.Filter.stopword(language))
        .build()
    )


def common_words(words: Iterable[str], language: str) -> set[str]:
    """Those of the words, in lower case with their accents, that say little in a language."""
    distinct = set(words)
    found = distinct & _WORDS[language]
    if language in _LISTED:
        found |= distinct.difference(_list(language).analyze(" ".join(distinct)))
    return found


def language_of(text: str) -> str:
    """Tell a text's language: one of :data:`LANGUAGES`, English where it is not sure.

    Texts of a few words, tables, and languages without a stemmer count as English.
    """
    counts = Counter(_WORD.findall(text.lower()))

    def common(language: str) -> tuple[int, int]:
        found = common_words(counts, language)
        return len(found), sum(counts[word] for word in found)

    total = counts.total()
    _, english = common(ENGLISH)
    if not total or english >= _SURELY_ENGLISH * total:
        return ENGLISH
    best, most = ENGLISH, 0
    for language in LANGUAGES[1:]:
        different, count = common(language)
        enough = different >= _FEWEST and count >= max(_SHARE * total, _MARGIN * english)
        if enough and count > most:
            best, most = language, count
    return best


def language_asked(words: Collection[str], present: Collection[str]) -> str:
    """Tell the language of a question, whose words are in lower case; English if not sure.

    Args:
        words: All of its words.
        present: Languages of the documents: fewer words tell these.
    """
    distinct = set(words)
    best, most = ENGLISH, len(common_words(distinct, ENGLISH))
    for language in LANGUAGES[1:]:
        count = len(common_words(distinct, language))
        fewest = _FEWEST_ASKED if language in present else _FEWEST_ELSEWHERE
        if count > most and count >= fewest:
            best, most = language, count
    return best
