"""One disease on one page: names, signs, what a photograph shows, look-alikes, note, state of review."""

from collections.abc import Iterable
from html import escape

from retizero.knowledge import Catalogue, Disease
from webapp.language import Language


def shown_name(disease: Disease, words: Language) -> str:
    """Return the entry's name with a capital, in the visitor's language first."""
    name = disease.name[:1].upper() + disease.name[1:]
    return f"{disease.name_zh} · {name}" if words.code == "zh" else f"{name} · {disease.name_zh}"


def entry_page(catalogue: Catalogue, disease: Disease, words: Language, *, illustrated: bool) -> str:
    """Return the page body of one entry."""
    review = "diseases.reviewed" if disease.reviewed else "diseases.unreviewed"
    kind = "rz-good" if disease.reviewed else "rz-warning"
    facts = [
        (words("diseases.group"), escape(words(f"group.{disease.group}"))),
        (words("diseases.rarity"), escape(words(f"diseases.{disease.rarity}"))),
        (words("diseases.laterality"), escape(words(f"diseases.{disease.laterality}"))),
        (words("diseases.gene"), escape(disease.gene or "")),
        (words("diseases.icd10"), escape(", ".join(disease.icd10))),
        (words("diseases.parents"), _links(catalogue, disease.parents, words)),
        (words("diseases.children"), _links(catalogue, catalogue.children(disease.id), words)),
        (
            words("diseases.synonyms"),
            _plain([*disease.abbreviations, *disease.synonyms, *disease.synonyms_zh]),
        ),
    ]
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{v}</dd>" for k, v in facts if v)
    signs = "".join(
        f'<li><a href="/diseases?sign={escape(s.id)}">{escape(words.name_of(s.name, s.name_zh))}</a></li>'
        for s in (catalogue.signs[i] for i in disease.signs if i in catalogue.signs)
    )
    descriptions = "".join(f'<li lang="en">{escape(text)}</li>' for text in disease.descriptions)
    look_alikes = "".join(
        f'<li>{_links(catalogue, [other.id], words)}: <span lang="en">{escape(other.difference)}</span></li>'
        for other in disease.look_alikes
    )
    return f"""<main class="rz-entry">
<p><a href="/diseases">← {escape(words("diseases.title"))}</a></p>
<h1>{escape(shown_name(disease, words))}</h1>
<p class="{kind}">{escape(words(review))}</p>
{_illustration(disease, words) if illustrated else ""}
<dl class="rz-facts">{rows}</dl>
{_section(words("diseases.signs"), signs)}
{_section(words("diseases.descriptions"), descriptions)}
{_section(words("diseases.look_alikes"), look_alikes)}
<section><h2>{escape(words("diseases.note"))}</h2><p lang="en">{escape(disease.note)}</p></section>
</main>"""


def _illustration(disease: Disease, words: Language) -> str:
    caption = escape(words("diseases.illustration"))
    return (
        f'<figure><img src="/diseases/{escape(disease.id)}/synthetic.png" width="320" height="320" '
        f'alt="{caption}" loading="lazy"><figcaption class="rz-quiet">{caption}</figcaption></figure>'
    )


def _section(title: str, items: str) -> str:
    return f"<section><h2>{escape(title)}</h2><ul>{items}</ul></section>" if items else ""


def _links(catalogue: Catalogue, ids: Iterable[str], words: Language) -> str:
    return ", ".join(
        f'<a href="/diseases/{escape(i)}">{escape(shown_name(catalogue[i], words))}</a>' for i in ids
    )


def _plain(terms: Iterable[str]) -> str:
    return escape("; ".join(terms))
