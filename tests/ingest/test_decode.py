"""Every kind of bytes becomes text, and what was decided is said."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode import decode, decode_as, python_name

GERMAN = "Die Größe der Brücke über den Fluß beträgt fünfzig Meter; das müssen wir prüfen.\n" * 3
RUSSIAN = "Привет, мир! Это обычный русский текст, в котором нет ничего особенного.\n" * 3
JAPANESE = "これは日本語のテキストです。文字コードを判定するための文章です。\n" * 3
CHINESE = "这是一个用来检测字符编码的中文文本，里面没有什么特别的内容。\n" * 3
KOREAN = "이것은 문자 인코딩을 감지하기 위한 한국어 텍스트입니다.\n" * 3
GREEK = "Αυτό είναι ένα συνηθισμένο ελληνικό κείμενο χωρίς τίποτα το ιδιαίτερο.\n" * 3


def has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


@given(st.binary(max_size=300), st.none() | st.text(max_size=20))
def test_any_bytes_decode_without_lone_surrogates(data: bytes, declared: str | None) -> None:
    decoded = decode(data, declared=declared)
    assert not has_surrogates(decoded.text)
    codecs.lookup(decoded.encoding)


@given(st.text(max_size=300).filter(lambda text: "\x1b" not in text))
def test_utf8_is_always_recognised(text: str) -> None:
    data = text.encode("utf-8", errors="replace")
    text = data.decode("utf-8")
    if "\0" in text or text.startswith("\ufeff"):
        return
    decoded = decode(data, declared="iso-8859-1")
    assert (decoded.text, decoded.how, decoded.warning) == (text, "utf-8", None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@given(text=st.text(min_size=1, max_size=50).filter(lambda text: text[0] not in "\0\ufeff"))
def test_byte_order_marks_decide_and_are_removed(encoding: str, text: str) -> None:
    text = text.encode("utf-8", errors="replace").decode("utf-8")
    decoded = decode(("\ufeff" + text).encode(encoding), declared="koi8-r")
    assert (decoded.text, decoded.encoding, decoded.how) == (text, encoding, "bom")
    assert decoded.warning is None


def test_broken_text_after_a_byte_order_mark_is_kept_with_a_warning() -> None:
    decoded = decode(codecs.BOM_UTF8 + b"one \xff two")
    assert decoded.text == "one \ufffd two"
    assert decoded.warning == "1 place could not be decoded as utf-8 and became U+FFFD"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_encodings_without_a_mark(encoding: str) -> None:
    decoded = decode(GERMAN.encode(encoding))
    assert (decoded.text, decoded.encoding) == (GERMAN, encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        (CHINESE, "gb18030"),
        (KOREAN, "cp949"),
        (KOREAN, "iso2022_kr"),
        (GREEK, "cp1253"),
    ],
)
def test_legacy_encodings_are_detected(text: str, encoding: str) -> None:
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert decoded.how == "detected"


def test_accents_in_latin_words_are_not_taken_for_cyrillic() -> None:
    text = "Le café ouvre à sept heures."
    assert decode(text.encode("cp1252")).text == text
    for russian in ("Привет, как дела?", "Цена 5 руб. за USB-кабель", "VIP-зал"):
        assert decode(russian.encode("cp1251")).text == russian


@pytest.mark.parametrize("text", ["Straße", "El niño", "naïve", "5 µm", "“quoted”", "à la carte"])
def test_a_few_accents_are_taken_for_western_european(text: str) -> None:
    text = f"{text} and some more words that are plain"
    decoded = decode(text.encode("cp1252"))
    assert decoded.text == text
    assert decoded.warning == f"decoded as {decoded.encoding}, which is a guess"


@pytest.mark.parametrize(
    ("label", "encoding"),
    [
        ("ISO-8859-1", "cp1252"),
        ("latin1", "cp1252"),
        (" 'Windows-1252' ", "cp1252"),
        ("gb2312", "gb18030"),
        ("x-sjis", "cp932"),
        ("Shift_JIS", "cp932"),
        ("ks_c_5601-1987", "cp949"),
        ("iso-8859-9", "cp1254"),
        ("x-mac-cyrillic", "mac-cyrillic"),
    ],
)
def test_declared_names_mean_what_browsers_take_them_for(label: str, encoding: str) -> None:
    text = {"cp1252": "€ “Größe”", "gb18030": "中文", "cp932": "①日本", "cp949": "똠방각하"}.get(
        encoding, "şeker" if encoding == "cp1254" else "мир"
    )
    decoded = decode(text.encode(encoding), declared=label)
    assert (decoded.text, decoded.how, decoded.warning) == (text, "declared", None)


def test_a_wrong_declaration_is_named_in_the_warning() -> None:
    decoded = decode(RUSSIAN.encode("cp1251"), declared="utf-8")
    assert decoded.warning is not None
    assert decoded.warning.startswith("it declares the encoding 'utf-8', but is not in it; ")


@pytest.mark.parametrize("label", ["base64", "rot13", "unicode_escape", "utf-7", "nonsense", "\0"])
def test_what_is_no_encoding_of_files_is_not_taken_for_one(label: str) -> None:
    assert python_name(label) is None
    decoded = decode(GERMAN.encode("cp1252"), declared=label)
    assert decoded.text == GERMAN
    assert decoded.warning is not None and "which is not known" in decoded.warning


def test_utf8_with_a_few_bad_bytes_is_still_utf8() -> None:
    data = RUSSIAN.encode("utf-8")
    decoded = decode(data + b"\xff tail", declared="iso-8859-1")
    assert decoded.text == RUSSIAN + "\ufffd tail"
    assert decoded.encoding == "utf-8"
    assert decoded.warning == "1 place could not be decoded as utf-8 and became U+FFFD"


def test_utf8_cut_in_the_middle_of_a_character() -> None:
    decoded = decode("日本".encode() + "語".encode()[:2])
    assert decoded.text == "日本\ufffd"


def test_replacement_characters_of_the_file_itself_are_not_counted() -> None:
    text = GERMAN + "\ufffd\ufffd"
    decoded = decode(text.encode() + b"\xff")
    assert decoded.warning == "1 place could not be decoded as utf-8 and became U+FFFD"


def test_a_long_file_is_detected_by_its_later_part() -> None:
    plain = "plain words only, line after line\n" * 20_000
    text = plain + RUSSIAN * 20 + plain
    assert decode(text.encode("cp1251")).text == text


def test_a_long_file_without_line_ends() -> None:
    text = "plain words " * 50_000 + "日本語のテキストです。" * 5_000
    assert decode(text.encode("euc_jp")).text == text


def test_coloured_terminal_output_is_not_taken_for_japanese() -> None:
    text = "\x1b[31mred\x1b[0m \x1b$Bnot an escape to Japanese: ü"
    assert decode(text.encode()).text == text


def test_nothing_decodes_to_nothing() -> None:
    assert decode(b"").text == ""


@pytest.mark.parametrize("text", [RUSSIAN, GREEK, JAPANESE, "Größe\n"])
@pytest.mark.parametrize("lines", [30, 300, 3000])
def test_foreign_lines_among_many_plain_ones(text: str, lines: int) -> None:
    encoding = {RUSSIAN: "cp1251", GREEK: "cp1253", JAPANESE: "cp932"}.get(text, "cp1252")
    plain = "plain words only, line after line\n" * lines
    whole = plain + text + plain
    assert decode(whole.encode(encoding)).text == whole


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("～", "cp932"), ("〜", "shift_jis"), ("①〜", "cp932"), ("——", "gbk"), ("―", "gb2312")],
)
def test_the_narrower_encoding_stands_if_it_holds_the_file(text: str, encoding: str) -> None:
    whole = (JAPANESE if "cp932" in encoding or "jis" in encoding else CHINESE) + text
    data = whole.encode(encoding, errors="ignore")
    decoded = decode(data)
    narrow = "shift_jis" if encoding in ("cp932", "shift_jis") else "gb2312"
    expected = narrow if "①" not in text else "cp932"
    assert (decoded.text, decoded.encoding) == (data.decode(expected), expected)


@pytest.mark.parametrize("encoding", ["mac_roman", "cp850", "cp437"])
@pytest.mark.parametrize(
    "text", ["le café et la crème brûlée", "Prüfung der Größe, für Käufer", "el niño y la mañana"]
)
def test_accents_within_words_tell_old_western_encodings(text: str, encoding: str) -> None:
    text = f"{text} among plain words\n" * 2
    assert decode(text.encode(encoding)).text == text


def test_an_apostrophe_in_the_encoding_of_old_macintoshes() -> None:
    text = "plain words\n" * 500 + "the pump’s warranty\n" + "plain words\n" * 500
    assert decode(text.encode("mac_roman")).text == text


def test_strict_decoding_knows_marks_and_surrogates() -> None:
    assert decode_as(codecs.BOM_UTF8 + b"a", "utf-8") == "a"
    assert decode_as(codecs.BOM_UTF16_BE + "a😀".encode("utf-16-be"), "utf-16-le") == "a😀"
    with pytest.raises(UnicodeError):
        decode_as(b"\xff", "utf-8")


def test_pairs_of_surrogates_in_utf8_are_put_together() -> None:
    pair = "".join(chr(unit) for unit in (0xD83D, 0xDE00))
    data = ("Größe " + pair).encode("utf-8", "surrogatepass")
    decoded = decode(data)
    assert (decoded.text, decoded.encoding, decoded.warning) == ("Größe 😀", "utf-8", None)
    decoded = decode(data + b" \xed\xa0\x80")
    assert decoded.text == "Größe 😀 \ufffd"
    assert decoded.warning == "1 place could not be decoded as utf-8 and became U+FFFD"
