"""E-mail, built by the standard library."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from loading import blocks, headings, loaded

from ingest.errors import WrongFormatError


def message(**headers: str) -> EmailMessage:
    built = EmailMessage()
    for name, value in {
        "From": "Ada <ada@example.org>",
        "To": "bob@example.org",
        "Subject": "Die Größe der Pumpe",
        "Date": "Mon, 06 May 2024 07:08:09 +0200",
        **headers,
    }.items():
        built[name] = value
    return built


HEAD = "From: Ada <ada@example.org>\nTo: bob@example.org\nDate: Mon, 06 May 2024 07:08:09 +0200"


def test_plain_text_and_attachments() -> None:
    mail = message()
    mail.set_content("Hello Bob,\n\nit is größer.\n\n- one\n- two\n")
    mail.add_alternative("<p>HTML that says the same</p>", subtype="html")
    mail.add_attachment(b"%PDF" * 500, maintype="application", subtype="pdf", filename="größe.pdf")
    document = loaded("a.eml", mail.as_bytes())
    assert blocks(document) == [
        "Die Größe der Pumpe",
        HEAD,
        "Hello Bob,",
        "it is größer.",
        "- one",
        "- two",
        "Attachments:\n- größe.pdf (application/pdf, 2 kB)",
    ]
    assert document.title == "Die Größe der Pumpe"
    assert headings(document) == [("Die Größe der Pumpe",)]
    assert document.metadata == {
        "author": "Ada <ada@example.org>",
        "created": "2024-05-06T07:08:09+02:00",
    }


def test_html_without_plain_text() -> None:
    mail = message()
    mail.set_content("<h1>News</h1><p>It <b>lasts</b>.</p><script>x()</script>", subtype="html")
    assert blocks(loaded("a.eml", mail.as_bytes()))[2:] == ["News", "It lasts."]


def test_a_forwarded_message_is_read() -> None:
    inner = message(Subject="The fault")
    inner.set_content("It leaks.")
    mail = message(Subject="Fwd")
    mail.set_content("See below.")
    mail.add_attachment(inner)
    document = loaded("a.eml", mail.as_bytes())
    assert [text for text in blocks(document) if text != HEAD] == [
        "Fwd",
        "See below.",
        "The fault",
        "It leaks.",
    ]
    assert headings(document) == [("Fwd",), ("Fwd", "The fault")]


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-8", "windows-1251"])
def test_the_declared_charset_is_taken(charset: str) -> None:
    text = "Привет" if charset == "windows-1251" else "Größe"
    mail = message()
    mail.set_content(text, charset=charset)
    assert blocks(loaded("a.eml", mail.as_bytes()))[-1] == text


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(WrongFormatError, match="not an e-mail"):
        loaded("a.eml", "just some words")


@pytest.mark.parametrize(
    "head",
    [
        b"From: \xff\xfe\r\nSubject: =?utf-8?b?////?=\r\n",
        b"Subject: x\r\nContent-Type: multipart/mixed; boundary=\r\n",
        b'Subject: x\r\nContent-Type: text/plain; charset="nonsense"\r\n',
        b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n",
        b"Date: the day after\r\nSubject: x\r\nContent-Disposition: attachment; filename*=x''%\r\n",
    ],
)
def test_damaged_headers_do_not_hide_a_message(head: bytes) -> None:
    assert loaded("a.eml", head + b"\r\nHello there.\r\n").text


def test_messages_nested_without_end_are_bounded() -> None:
    data = b"Subject: deep\r\nContent-Type: message/rfc822\r\n\r\n" * 300 + b"Subject: x\r\n\r\nend"
    assert loaded("a.eml", data).text.count("deep") <= 5


def test_a_damaged_header_of_an_attachment_costs_its_name_only() -> None:
    data = (
        b"From: a@example.com\nSubject: Pumps\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\n"
        b"The pump is new.\n--q\nContent-Disposition: attachment; filename*=punycode''a%E9\n\n"
        b"x\n--q--\n"
    )
    text = loaded("a.eml", data).text
    assert "The pump is new." in text and "(without a name)" in text


def test_an_undecodable_page_in_a_message_is_warned_of() -> None:
    head = b"From: a@example.com\nSubject: x\nContent-Type: text/html; charset=punycode\n\n"
    document = loaded("a.eml", head + "<p>Ein Kaffee für die Gäste.</p>".encode("cp1252"))
    assert "Ein Kaffee für die Gäste." in document.text
    assert "punycode" in document.warnings[0]


def test_a_stub_of_plain_text_does_not_hide_the_html() -> None:
    mail = message()
    mail.set_content("This message is in HTML.")
    mail.add_alternative("<p>Your berth is <b>Q-44</b>, the deposit 210 euros.</p>", subtype="html")
    document = loaded("a.eml", mail.as_bytes())
    assert "Your berth is Q-44, the deposit 210 euros." in document.text
    assert "is in HTML" not in document.text


def test_parts_that_follow_each_other_are_all_read() -> None:
    mail = message()
    mail.set_content("Here are the slots.")
    mail.make_mixed()
    for content, subtype in (
        ("<table><tr><td>Friday</td><td>13:20</td></tr></table>", "html"),
        ("Bye", "plain"),
    ):
        part = EmailMessage()
        part.set_content(content, subtype=subtype)
        mail.attach(part)
    text = loaded("a.eml", mail.as_bytes()).text
    assert text.index("Here are the slots.") < text.index("13:20") < text.index("Bye")


@pytest.mark.parametrize("put", [b"\xef\xbb\xbf%b", b"\r\n\r\n%b"])
def test_what_a_program_puts_before_a_message_does_not_matter(put: bytes) -> None:
    mail = message()
    mail.set_content("The code is 4471.")
    assert "4471" in loaded("a.eml", put % mail.as_bytes()).text
    wide = mail.as_bytes().decode("ascii").encode("utf-16")
    assert loaded("a.eml", wide).title == "Die Größe der Pumpe"


def test_an_appointment_is_read() -> None:
    mail = message()
    mail.set_content("Please come.")
    invitation = (
        "BEGIN:VEVENT\r\nSUMMARY:Crane\\, slot\r\nDTSTART:20260605T132000\r\nEND:VEVENT\r\n"
    )
    mail.add_alternative(invitation, subtype="calendar")
    text = loaded("a.eml", mail.as_bytes()).text
    assert "Appointment: Crane, slot\nBegins: 20260605T132000" in text
