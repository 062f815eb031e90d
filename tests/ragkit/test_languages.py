"""Words are stemmed in the language of their document, and common ones weigh little."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_samples import (
    document_of,
    indexes,
    put,
)

from ragkit import KnowledgeBase
from ragkit.index import tantivy_files as lexical_index
from ragkit.language.languages import LANGUAGES, language_name, language_of
from ragkit.store import Store

FOLDER = Path("/home/ada/docs").absolute()
TWO_LANGUAGES = Path(__file__).parents[1] / "data" / "two_languages.json"

TEXTS = {
    "arabic": "يجب على العميل أن يدفع الفاتورة في موعد لا يتجاوز أسبوعين من تاريخ الشراء، ولا يمكن إلغاء "
    "الطلب بعد ذلك إلا إذا كان المنتج معيبا.",
    "danish": "Kunden skal betale regningen inden fjorten dage, efter at varen er blevet leveret. Hvis "
    "der er noget galt med den, må man ikke sende den tilbage uden at ringe til os.",
    "dutch": "De klant moet de rekening binnen veertien dagen betalen nadat het product is geleverd. "
    "Als er iets mee is, kan het niet zonder overleg worden teruggestuurd.",
    "english": "The customer has to pay the invoice within two weeks after the product was delivered.",
    "finnish": "Asiakkaan on maksettava lasku kahden viikon kuluessa siitä, kun tuote on toimitettu. "
    "Jos siinä on vikaa, sitä ei saa palauttaa, ennen kuin olette soittaneet meille.",
    "french": "Le client doit payer la facture dans les quinze jours qui suivent la livraison du "
    "produit. S'il est défectueux, il ne peut pas être renvoyé sans notre accord.",
    "german": "Der Kunde muss die Rechnung innerhalb von zwei Wochen bezahlen, nachdem die Ware "
    "geliefert ist. Wenn sie nicht in Ordnung ist, rufen Sie uns an.",
    "greek": "Ο πελάτης πρέπει να πληρώσει το τιμολόγιο μέσα σε δύο εβδομάδες από την παράδοση του "
    "προϊόντος. Αν δεν είναι σε καλή κατάσταση, μπορεί να το επιστρέψει με την απόδειξη.",
    "hungarian": "A vevőnek két héten belül ki kell fizetnie a számlát, miután az árut megkapta. Ha "
    "valami nincs rendben, akkor nem lehet visszaküldeni, csak ha előbb felhív minket.",
    "italian": "Il cliente deve pagare la fattura entro due settimane dalla consegna del prodotto. Se "
    "non è in buono stato, non può essere restituito senza il nostro consenso.",
    "norwegian": "Kunden må betale regningen innen to uker etter at varen er levert. Hvis det er noe "
    "galt med den, kan den ikke sendes tilbake uten at dere ringer til oss først.",
    "portuguese": "O cliente deve pagar a fatura em até duas semanas depois da entrega do produto. Se "
    "ele não estiver em bom estado, não pode ser devolvido sem o nosso acordo.",
    "romanian": "Clientul trebuie să plătească factura în două săptămâni de la livrarea produsului. "
    "Dacă nu este în stare bună, nu poate fi returnat fără acordul nostru.",
    "russian": "Клиент должен оплатить счёт в течение двух недель после того, как товар был доставлен. "
    "Если с ним что-то не так, его нельзя вернуть без нашего согласия.",
    "spanish": "El cliente debe pagar la factura en las dos semanas que siguen a la entrega del "
    "producto. Si no está en buen estado, no se puede devolver sin nuestro acuerdo.",
    "swedish": "Kunden ska betala räkningen inom två veckor efter att varan har levererats. Om det är "
    "något fel på den får man inte skicka tillbaka den utan att ringa till oss.",
    "turkish": "Müşteri, ürün teslim edildikten sonra iki hafta içinde faturayı ödemek için bankaya "
    "gitmeli ve bu belgeyi saklamalıdır. Ürün iyi değil ise daha sonra geri gönderilir.",
}
INFLECTED = [  # a text, a word of it in another form, and the language
    ("danish", "Regningerne sendes til kunden, når varen er betalt.", "regning"),
    ("dutch", "De rekeningen worden naar de klant gestuurd als het product er is.", "rekening"),
    ("finnish", "Talossa ei ole lämmitystä, ja siksi se oli hyvin kylmä.", "talo"),
    ("french", "Les remboursements sont faits dans le mois qui suit la demande.", "remboursement"),
    ("french", "La somme est remboursée dans le mois qui suit la demande.", "remboursement"),
    ("german", "Die Häuser sind in der Stadt, und sie haben einen Garten.", "Haus"),
    ("german", "Das Haus ist in der Stadt, und es hat einen Garten.", "HÄUSERN"),
    ("german", "Die Rechnungen sind an den Kunden zu senden.", "Rechnung"),
    ("german", "Die Kündigung ist an den Vermieter zu senden.", "Kundigungen"),
    ("greek", "Τα έγγραφα είναι για τον πελάτη και για την τράπεζα.", "έγγραφο"),
    ("hungarian", "A házakban nincs fűtés, és ezért az ár nem az, ami volt.", "ház"),
    ("italian", "I rimborsi sono fatti nel mese che segue la domanda.", "rimborso"),
    ("portuguese", "As informações são para os clientes que as pedem.", "informação"),
    ("romanian", "Facturile se trimit la clienți și nu mai pot fi schimbate de ei.", "factura"),
    ("russian", "Все документы должны быть у него, но их не было.", "документов"),
    ("spanish", "Las canciones son de los autores que las han escrito.", "canción"),
    ("swedish", "Räkningarna är till kunden och ska vara hos dem i maj.", "räkning"),
    ("turkish", "Faturalar için bu belge ve her zaman bir imza çok önemli.", "faturayı"),
]
ENGLISH = ("The houses stand in the city, and they have gardens.", "Pay the invoices to the bank.")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "kb", create=True) as opened, opened.writing("test"):
        yield opened


def found(store: Store, question: str) -> list[str]:
    hits = indexes(store).search_lexical(question, 50)
    assert all(0 < hit.score <= 1 for hit in hits)
    return [chunk.text for chunk in store.chunks([hit.chunk_id for hit in hits])]


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_are_told_apart(language: str) -> None:
    assert language_of(TEXTS[language]) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Die Rechnung",
        "12 | 13 | DE | 14\n15 | 16 | LA | 17\n" * 40,
        "for (int i = 0; i < n; i++) { des[i] = die[i] + une[i]; }\n" * 20,
        "Klient musi zapłacić fakturę w ciągu dwóch tygodni od dostawy towaru, jeżeli jest dobry.",
        "東京タワーは高い。" * 50,
        "The film La vie en rose, and a word about die Zeit, le Monde and el País.",
        f"{TEXTS['english']} {TEXTS['english']} {TEXTS['french']}",
    ],
)
def test_what_is_not_sure_counts_as_english(text: str) -> None:
    assert language_of(text) == "english"


@given(text=st.text(max_size=300))
def test_any_text_has_one_language(text: str) -> None:
    assert language_of(text) in LANGUAGES
    assert language_of(text) == language_of(text.upper().lower())


@pytest.mark.parametrize(("language", "text", "word"), INFLECTED)
def test_other_forms_of_a_word_are_found(store: Store, language: str, text: str, word: str) -> None:
    put(store, FOLDER, "english.txt", document_of(*ENGLISH))
    put(store, FOLDER, "other.txt", document_of(text))
    assert found(store, word)[0] == text
    assert indexes(store).languages() == ("english", language)


def test_english_is_searched_as_without_other_languages(store: Store, tmp_path: Path) -> None:
    put(store, FOLDER, "english.txt", document_of(*ENGLISH))
    before = [
        indexes(store).search_lexical(question, 9) for question in ("house", "invoice paying banks")
    ]
    put(store, FOLDER, "german.txt", document_of(TEXTS["german"]))
    after = [
        indexes(store).search_lexical(question, 9) for question in ("house", "invoice paying banks")
    ]
    # What is found in another language, by words of the same meaning, comes after.
    for now, once in zip(after, before, strict=True):
        assert [hit.chunk_id for hit in now][: len(once)] == [hit.chunk_id for hit in once]


def test_what_one_language_makes_of_a_word_is_not_looked_for_in_another(store: Store) -> None:
    # German takes -er off "later", which then is "lat"; English keeps that of "lats".
    put(store, FOLDER, "english.txt", document_of("Lats are muscles of the back.", "See you later"))
    put(store, FOLDER, "german.txt", document_of(TEXTS["german"]))
    assert found(store, "later") == ["See you later"]


def test_a_name_is_found_in_every_language(store: Store) -> None:
    texts = [f"{text} Zebulon-77" for text in TEXTS.values()]
    for number, text in enumerate(texts):
        put(store, FOLDER, f"{number}.txt", document_of(text))
    assert sorted(found(store, "Zebulon")) == sorted(texts)
    assert indexes(store).languages() == ("english", *sorted(set(TEXTS) - {"english"}))
    assert max(hit.score for hit in indexes(store).search_lexical("Zebulon 77 zebulon", 20)) <= 1


def test_common_words_of_the_questions_language_weigh_little(store: Store) -> None:
    put(store, FOLDER, "english.txt", document_of(*["Nothing to see."] * 200))
    common = "Die ist das, was der und die mit dem an den von der ist, wenn sie es ist."
    telling = "Eine Mahnung kommt nach zwei Wochen von selbst, und sie ist an den Kunden."
    put(store, FOLDER, "german.txt", document_of(common, telling))
    hits = indexes(store).search_lexical("Was ist das mit der Mahnung?", 9)
    assert store.chunks([hits[0].chunk_id])[0].text == telling
    # Nor are they looked for in other languages, or where no document is in that language.
    put(store, FOLDER, "cinema.txt", document_of("Die Hard was released in 1988.", "What was it?"))
    assert "What was it?" not in found(store, "Was ist das mit der Mahnung?")
    assert found(store, "Où est-ce que les gens sont dans le film ?") == []


def test_a_document_that_changes_its_language_changes_its_terms(store: Store) -> None:
    put(store, FOLDER, "a.txt", document_of("The Rechnungen are in the house."))
    assert found(store, "Rechnung") == []
    put(store, FOLDER, "a.txt", document_of("Die Rechnungen sind in dem Haus."))
    assert found(store, "Rechnung") == ["Die Rechnungen sind in dem Haus."]


def test_an_index_of_an_older_version_is_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, Store.open(tmp_path, create=True) as store:
        patch.setattr(lexical_index, "FORMAT", "2-1-english")
        with store.writing("test"):
            put(store, FOLDER, "a.txt", document_of("Die Rechnungen sind in dem Haus."))
            indexes(store).sync(final=True)
    with Store.open(tmp_path) as store:
        assert indexes(store).lag().lexical == 1
        assert found(store, "Rechnung") == ["Die Rechnungen sind in dem Haus."]
        assert indexes(store).lag().lexical == 0


def test_questions_in_three_languages(tmp_path: Path) -> None:
    sets = json.loads(TWO_LANGUAGES.read_text(encoding="utf-8"))
    folder = tmp_path / "docs"
    folder.mkdir()
    asked = []
    for language, pairs in sets.items():
        for number, (text, question) in enumerate(pairs):
            path = f"{language}{number}.txt"
            (folder / path).write_text(text, encoding="utf-8")
            asked.append((question, path))
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(folder)
        for mode in ("lexical", "hybrid"):
            first = [kb.search(question, k=1, mode=mode)[0].path for question, _ in asked]
            assert sum(path == right for path, (_, right) in zip(first, asked, strict=True)) >= 24


def test_slips_and_common_words_of_other_languages(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    text = "Die Rechnungen werden an den Kunden geschickt, und sie sind sofort zu bezahlen."
    (folder / "a.txt").write_text(text, encoding="utf-8")
    with KnowledgeBase(tmp_path / "kb") as kb:
        kb.ingest(folder)
        for question in ("Rechnugnen", "Wohin werden Rechnungen geschickt?"):
            assert [hit.text for hit in kb.search(question, mode="lexical")] == [text], question


ENGLISH_TERMS = (
    "# Terms\n\nThe warranty of the pump lasts 24 months, and the customer must keep the invoice.\n\n"
    "Discounts of 15% are given to schools that are in this country.\n"
)
GERMAN_RULES = (
    "# Regeln\n\nFür Fahrten mit dem eigenen Fahrrad werden 0,15 € je Kilometer gezahlt, wenn sie mit dem "
    "Betrieb zu tun haben.\n\nDer Urlaub beträgt 30 Tage und ist mit der Leitung zu besprechen.\n"
)


@pytest.mark.parametrize("language", TEXTS)
def test_languages_are_named(language: str) -> None:
    assert language_name(TEXTS[language]) == language.capitalize()


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Hoe lang is de garantie van het apparaat en wat kost het?", "Dutch"),
        ("Quanto costa il biglietto e dove si può comprare?", "Italian"),
        ("Qual é o prazo de garantia e quanto custa o aparelho?", "Portuguese"),
        ("Hur lång är garantin på maskinen?", "Swedish"),
        ("Wer darf das Labor betreten?", "German"),
        ("Where is the war museum?", "English"),
        ("מהי תקופת האחריות", "Hebrew"),
    ],
)
def test_languages_of_questions_are_named(question: str, name: str) -> None:
    assert language_name(question) == name
