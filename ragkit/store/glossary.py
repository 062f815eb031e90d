"""Everyday words that mean the same in English, German, French and Spanish.

They let a question in one language find a passage in another, as far as such words go. Words with
several common meanings are left out, and so are those that the languages write alike.
"""

from __future__ import annotations

import functools

LANGUAGES = ("en", "de", "fr", "es")
_ENDINGS = ("", "s", "es", "e", "en", "er", "em", "n", "ed")
_SHORTEST = 4
_SHORTEST_PART = 6

# One thing a line: its words in each language, the commonest first.
_WORDS = """
warranty guarantee | Garantie Gewährleistung | garantie | garantía
price cost costs | Preis Preise Kaufpreis kosten kostet | prix tarif coût coûts coûte coûter coûté | precio precios coste costo cuesta cuestan
pay paid | zahlen bezahlen zahlt bezahlt gezahlt | payer payé paie payent | pagar pagado paga
invoice | Rechnung Rechnungen | facture factures | factura facturas
discount | Rabatt Rabatte Preisnachlass | remise rabais réduction | descuento descuentos
refund reimbursed reimburse | erstattet erstatten Erstattung Rückerstattung | remboursé rembourser remboursement | reembolso reembolsado
delivery deliver | Lieferung liefern geliefert Lieferzeit | livraison livrer livré | entrega entregar envío
order | Bestellung bestellen | commande commander | pedido pedidos
customer customers | Kunde Kunden | client clients | cliente clientes
supplier | Lieferant Lieferanten | fournisseur fournisseurs | proveedor proveedores
contract | Vertrag Verträge | contrat contrats | contrato contratos
cancel cancelled | kündigen Kündigung stornieren | annuler résilier résiliation | cancelar anular
deadline | Frist Fristen | délai échéance | plazo
employee employees staff | Mitarbeiter Mitarbeitende Beschäftigte Angestellte | employé employés salarié salariés | empleado empleados
manager | Vorgesetzte Vorgesetzter Leiter Leiterin | responsable gérant gérante | gerente jefe
salary wage | Gehalt Lohn Gehälter | salaire salaires | salario sueldo
holiday vacation leave | Urlaub Ferien | congé congés vacances | vacaciones
sick illness | krank Krankheit Krankmeldung | malade maladie | enfermo enfermedad
doctor | Arzt Ärztin | médecin | médico
expenses | Spesen Auslagen Reisekosten | frais dépenses | gastos
travel trip | Reise Reisen Dienstreise Dienstreisen reisen | voyage voyages déplacement | viaje viajes
flight flights | Flug Flüge | vol vols | vuelo vuelos
train railway | Zug Bahn Eisenbahn | train ferroviaire | tren ferrocarril
car | Auto Autos Wagen Pkw | voiture voitures | coche coches
bicycle bike | Fahrrad Fahrräder | vélo vélos bicyclette | bicicleta bicicletas
ticket | Fahrkarte Fahrkarten | billet billets | billete billetes
overnight accommodation | Übernachtung Übernachtungen übernachten Unterkunft | nuitée hébergement | alojamiento
night | Nacht Nächte | nuit nuits | noche noches
breakfast | Frühstück | | desayuno
lunch | Mittagessen | déjeuner | almuerzo
dinner | Abendessen | dîner | cena
meal meals | Mahlzeit Mahlzeiten Essen Verpflegung | repas | comida comidas
allowance | Tagegeld Pauschale Zuschuss | indemnité forfait | viático
advance | Vorschuss | acompte | anticipo
receipt receipts | Beleg Belege Quittung | reçu reçus justificatif | recibo recibos
approval approve approved | Genehmigung Zustimmung genehmigen genehmigt | autorisation approbation approuver | aprobación aprobar
accident accidents | Unfall Unfälle | accident accidents | accidente accidentes
insurance | Versicherung | assurance | seguro
key keys | Schlüssel | clé clés clef | llave llaves
domestic | Inland inländisch | intérieur | nacional
abroad foreign | Ausland ausländisch | étranger | extranjero
kilometre kilometer mileage | Kilometer Kilometergeld | kilomètre kilomètres | kilómetro kilómetros
distance | Entfernung Strecke Strecken | distance | distancia
day days | Tag Tage Tagen | jour jours journée | día días
week weeks | Woche Wochen | semaine semaines | semana semanas
month months monthly | Monat Monate Monaten monatlich | mois mensuel | mes meses
year years annual | Jahr Jahre Jahren jährlich | an ans année années annuel | año años anual
hour hours | Stunde Stunden | heure heures | hora horas
minute minutes | Minute Minuten | minute minutes | minuto minutos
seconds | Sekunde Sekunden | seconde secondes | segundo segundos
working | Arbeitstag Arbeitstage Werktag Werktage | ouvrable ouvrables ouvré | laborable laborables
meeting | Besprechung Sitzung Treffen | réunion réunions | reunión reuniones
department | Abteilung Abteilungen | département | departamento
company firm | Firma Unternehmen Betrieb | entreprise société | empresa compañía
office | Büro Büros | bureau bureaux | oficina oficinas
address | Adresse Anschrift | adresse | dirección
phone telephone | Telefon Telefonnummer telefonisch | téléphone | teléfono
number | Nummer Anzahl | numéro | número
owner | Eigentümer Besitzer Inhaber | propriétaire | propietario dueño
managing | Geschäftsführer Geschäftsführerin Geschäftsführung | directeur directrice | director
revenue turnover sales | Umsatz Umsätze Erlöse | ventes | ingresos ventas
profit | Gewinn | bénéfice profit | beneficio ganancia
loss lost | Verlust Verluste verloren | perte pertes perdu perdue | pérdida pérdidas perdido
tax | Steuer Steuern | impôt impôts taxe | impuesto impuestos
loan | Kredit Darlehen | prêt emprunt | préstamo
share | Anteil Anteile | parts | participación
amount | Betrag Beträge Menge | montant quantité | importe cantidad
save saved savings | gespart sparen Einsparung eingespart | économisé économiser économie économies | ahorrar ahorrado ahorro
money | Geld | argent | dinero
limit maximum | Obergrenze Höchstbetrag Grenze höchstens | limite plafond maximum | límite máximo
minimum least | mindestens Mindest | minimum | mínimo
weight weigh weighs | Gewicht wiegt wiegen | poids pèse peser | peso pesa pesar
height high | Höhe hoch | hauteur haut | altura alto
length | Länge | longueur | longitud
width wide | Breite breit | largeur | anchura ancho
size | Größe | taille | tamaño
speed | Geschwindigkeit | vitesse | velocidad
temperature | Temperatur Temperaturen | température températures | temperatura temperaturas
pressure | Druck | pression | presión
printer printers | Drucker | imprimante imprimantes | impresora impresoras
power | Leistung Strom | puissance | potencia
battery batteries | Batterie Batterien Akku Akkus | batterie batteries | batería baterías pila
charging recharge | laden aufladen Ladezeit | charger recharger | cargar recargar
device devices | Gerät Geräte | appareil appareils | aparato dispositivo
machine machines | Maschine Maschinen | machine machines | máquina máquinas
parts spare | Ersatzteil Ersatzteile Teile | pièce pièces | pieza piezas recambio
repair repaired | Reparatur reparieren repariert | réparation réparer réparé | reparación reparar
fault error | Fehler Störung Defekt | erreur panne défaut | error avería fallo
damage | Schaden Schäden beschädigt | dommage dommages dégât dégâts | daño daños
manual instructions | Anleitung Handbuch Bedienungsanleitung | manuel notice | manual instrucciones
installation install installed | Einbau Montage installieren installiert aufbauen | installation installer | instalación instalar instalado
maintenance | Wartung Instandhaltung | entretien maintenance | mantenimiento
clean cleaning | reinigen Reinigung putzen | nettoyer nettoyage | limpiar limpieza
replace replaced | ersetzen ersetzt austauschen Austausch | remplacer remplacé remplacement | sustituir reemplazar
settings setting | Einstellung Einstellungen eingestellt | réglage réglages réglée réglé | ajuste ajustes configuración
password | Passwort Kennwort | mdp | contraseña
user users | Benutzer Nutzer | utilisateur utilisateurs | usuario usuarios
safety | Sicherheit | sécurité | seguridad
fire | Feuer | feu incendie | fuego incendio
water | Wasser | eau | agua
rain | Regen Niederschlag | pluie | lluvia
snow | Schnee | neige | nieve
wind | Wind | éolien | viento
frost | Frost | gel gelée | helada
weather | Wetter | météo | meteorología clima
alarm | Alarm | alarme alarmes | alarma alarmas
harvest crop | Ernte | récolte récoltes vendange | cosecha
vineyard vine vines | Weinberg Weinberge Rebe Reben | vigne vignes vignoble | viña viñedo
farm | Hof Höfe Bauernhof | ferme | granja
station stations | Station Stationen | station stations | estación estaciones
sensor sensors | Sensor Sensoren Fühler | capteur capteurs | sensor sensores
gateway | Gateway | passerelle passerelles | pasarela
school schools | Schule Schulen | école écoles | escuela escuelas
training trained trainee | Schulung Fortbildung Kurs | cursus | formación curso
friends friend | Freund Freunde Freunden | ami amis | amigo amigos
family | Familie | famille | familia
children child | Kinder | enfant enfants | niño niños
house home | Haus zuhause | maison | casa
shop store | Laden Geschäft | magasin boutique | tienda
opening open | Öffnungszeiten geöffnet offen | ouverture ouvert | apertura abierto
closed | geschlossen schließen | fermé fermer fermeture | cerrado cerrar
entrance admission | Eintritt Eingang | entrée | entrada
free | kostenlos gratis | gratuit gratuite | gratis gratuito
new | neu neue neuen neuer | nouveau nouvelle nouveaux | nuevo nueva nuevos
own | eigen eigenen eigene eigenes | propres | propio propia
first | erste ersten erster | premier première | primero primera
class | Klasse | classe | clase
booked booking | buchen gebucht Buchung | réserver réservé réservation | reservar reserva
rent rental rented | Miete mieten | loyer louer | alquiler alquilar
buy bought purchase | kaufen gekauft Kauf | acheter acheté achat | comprar comprado compra
sell sold | verkaufen verkauft Verkauf | vendre vendu vente | vender vendido venta
storage stored store | Lagerung lagern gelagert gespeichert | stockage stocké conservé | almacenamiento almacenado
data | Daten | données | datos
report | Bericht Berichte | rapport rapports | informe informes
policy guideline | Richtlinie Richtlinien | politique | política directriz
rule rules | Regel Regeln | règle règles | regla reglas
responsible | verantwortlich zuständig | responsable | responsable
valid | gültig gilt gelten | valable | válido
duration period | Dauer Zeitraum Laufzeit | durée période | duración período
replacement | Ersatz | remplacement | reemplazo
complaint complaints | Beschwerde Reklamation | réclamation plainte | queja reclamación
notice | Kündigungsfrist | préavis | preaviso
trial probation | Probezeit | essai | prueba
overtime | Überstunden | | sobretiempo
pension | Rente Altersvorsorge | retraite | pensión jubilación
destroyed destroy | zerstört zerstören | détruit détruire | destruido destruir
recommended recommend | empfohlen empfehlen | recommandé recommander | recomendado recomendar
forbidden prohibited | verboten untersagt | interdit interdite | prohibido
allowed permitted | erlaubt gestattet zulässig | autorisé permis | permitido
necessary required | notwendig erforderlich nötig | nécessaire obligatoire requis | necesario obligatorio
"""


@functools.cache
def _entries() -> tuple[dict[str, list[int]], list[tuple[tuple[str, ...], ...]]]:
    """The lines that each word is in, a German one also under itself capitalised; and the lines."""
    lines = [
        tuple(tuple(column.split()) for column in line.split("|"))
        for line in _WORDS.strip().splitlines()
    ]
    places: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        for language, column in zip(LANGUAGES, line, strict=True):
            for word in column:
                keys = {word.casefold(), word.casefold().capitalize()}
                for key in keys if language == "de" else {word.casefold()}:
                    numbers = places.setdefault(key, [])
                    if number not in numbers:
                        numbers.append(number)
    return places, lines


@functools.lru_cache(maxsize=65_536)
def translations(word: str, language: str) -> tuple[str, ...]:
    """Return what a word is called in another of the languages, if that is known.

    None where it is a word of that language already.

    Args:
        word: One word, in a form that is listed or with a common ending more.
        language: ``"en"``, ``"de"``, ``"fr"`` or ``"es"``.
    """
    columns = [_entries()[1][line][LANGUAGES.index(language)] for line in sorted(meanings(word))]
    return tuple(
        translated
        for column in columns
        if not any(word.casefold().startswith(own.casefold()) for own in column)
        for translated in column
    )


@functools.lru_cache(maxsize=65_536)
def meanings(word: str) -> frozenset[int]:
    """Return the numbers of the things that a word stands for; none where they are not known.

    A long word put together of others, as in German, stands for what it begins and ends with. A
    word for several things stands for none.
    """
    word = word.casefold()
    if len(word) < _SHORTEST or not word.isalpha():
        return frozenset()
    places = _entries()[0]
    for ending in _ENDINGS:
        root = word.removesuffix(ending)
        if len(root) >= _SHORTEST and (found := places.get(root)):
            return frozenset(found if len(found) == 1 else ())
    beginnings = (word[:end] for end in range(len(word) - 3, _SHORTEST_PART - 1, -1))
    endings = (word[begin:] for begin in range(3, len(word) - _SHORTEST_PART + 2))
    parts = (
        next((found for part in each if (found := places.get(part.capitalize()))), [])
        for each in (beginnings, endings)
    )
    return frozenset(found[0] for found in parts if len(found) == 1)
