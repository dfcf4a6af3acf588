import csv

import pytest

from retizero.knowledge import label_set, load_catalogue

CLINIC = {
    "CRVO": "central-retinal-vein-occlusion",
    "BRVO": "branch-retinal-vein-occlusion",
    "BRAO": "branch-retinal-artery-occlusion",
    "CRAO": "central-retinal-artery-occlusion",
    "PDR": "proliferative-diabetic-retinopathy",
    "NPDR": "nonproliferative-diabetic-retinopathy",
    "mild NPDR": "mild-nonproliferative-diabetic-retinopathy",
    "moderate NPDR": "moderate-nonproliferative-diabetic-retinopathy",
    "severe NPDR": "severe-nonproliferative-diabetic-retinopathy",
    "DME": "diabetic-macular-edema",
    "DMO": "diabetic-macular-edema",
    "wAMD": "neovascular-age-related-macular-degeneration",
    "wet AMD": "neovascular-age-related-macular-degeneration",
    "dry AMD": "dry-age-related-macular-degeneration",
    "GA": "geographic-atrophy",
    "CNV": "choroidal-neovascularization",
    "PCV": "polypoidal-choroidal-vasculopathy",
    "CSC": "central-serous-chorioretinopathy",
    "CSCR": "central-serous-chorioretinopathy",
    "VKH": "vogt-koyanagi-harada-disease",
    "PIC": "punctate-inner-choroidopathy",
    "MEWDS": "multiple-evanescent-white-dot-syndrome",
    "APMPPE": "acute-posterior-multifocal-placoid-pigment-epitheliopathy",
    "AZOOR": "acute-zonal-occult-outer-retinopathy",
    "ERM": "epiretinal-membrane",
    "VMT": "vitreomacular-traction",
    "MH": "macular-hole",
    "RP": "retinitis-pigmentosa",
    "LCA": "leber-congenital-amaurosis",
    "XLRS": "x-linked-retinoschisis",
    "CHRPE": "congenital-hypertrophy-of-the-rpe",
    "PXE": "pseudoxanthoma-elasticum",
    "PXE angioid streaks": "pseudoxanthoma-elasticum",
    "angioid streaks": "angioid-streaks",
    "ROP": "retinopathy-of-prematurity",
    "FEVR": "familial-exudative-vitreoretinopathy",
    "Terson": "terson-syndrome",
    "Purtscher": "purtscher-retinopathy",
    "Coats": "coats-disease",
    "papilloedema": "papilledema",
    "papilledema": "papilledema",
    "NAION": "nonarteritic-anterior-ischemic-optic-neuropathy",
    "retinal haemorrhage": "retinal-hemorrhage",
    "choroidal naevus": "choroidal-nevus",
    "myelinated retinal nerve fibres": "myelinated-retinal-nerve-fibers",
    "optic disc oedema": "optic-disc-edema",
    "choroidal haemangioma": "choroidal-hemangioma",
    "leukaemic retinopathy": "leukemic-retinopathy",
    "cotton wool spots": "cotton-wool-spots",
    "视网膜中央静脉阻塞": "central-retinal-vein-occlusion",
    "視網膜中央靜脈阻塞": "central-retinal-vein-occlusion",
    "糖网": "diabetic-retinopathy",
    "视乳头水肿": "optic-disc-edema",
    "黄斑裂孔": "macular-hole",
    "ＣＲＶＯ": "central-retinal-vein-occlusion",
}

INVENTED = [
    "florbular retinosis",
    "blue spot syndrome of Xyz",
    "quantum retinopathy",
    "galactic macular dystrophy",
    "Smith-Zorbulon maculopathy",
    "retinal xylophone syndrome",
    "choroidal neovasculitis",
    "central retinal brain occlusion",
    "Stargate disease",
    "optic neurosis",
    "acute retinal narcosis",
    "macular mole",
    "视网膜量子病变",
    "虚构性黄斑病",
    "broken leg",
    "",
    "   ",
    "-",
    "x" * 5000,
]


@pytest.mark.parametrize(("written", "meant"), CLINIC.items())
def test_what_a_clinic_writes_resolves(written, meant):
    assert load_catalogue().resolve(written).id == meant


@pytest.mark.parametrize("written", INVENTED)
def test_what_no_disease_is_called_does_not_resolve(written):
    found = load_catalogue().resolve(written)
    assert (found.id, found.name, found.match, found.candidates) == (None, None, "none", ())
    assert found.query == written


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("central retinal vien oclusion", "central-retinal-vein-occlusion"),
        ("retinal detachement", "retinal-detachment"),
        ("optic atropy", "optic-atrophy"),
        ("hypertnsive retinopaty", "hypertensive-retinopathy"),
        ("toxoplasma retinochoroditis", "toxoplasma-retinochoroiditis"),
        ("acute posterior multifocul placoid pigmint epitheliopathy",
         "acute-posterior-multifocal-placoid-pigment-epitheliopathy"),
    ],
)  # fmt: skip
def test_plain_misspellings_are_corrected_and_said_to_be(written, meant):
    found = load_catalogue().resolve(written)
    assert (found.id, found.match) == (meant, "fuzzy")


def test_one_real_word_is_never_changed_into_another():
    catalogue = load_catalogue()
    assert catalogue.resolve("retinal artery occlusion").id == "retinal-artery-occlusion"
    assert catalogue.resolve("anemic retinopathy").id == "anemic-retinopathy"
    assert catalogue.resolve("uremic retinopathy").id == "uremic-retinopathy"
    assert catalogue.resolve("vein nevus").id is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("retinopathy, hypertensive", "hypertensive-retinopathy"),
        ("degeneration, macular, age-related", "age-related-macular-degeneration"),
        ("Stargardt's disease", "stargardt-disease"),
        ("STARGARDT", "stargardt-disease"),
        ("C.R.V.O.", "central-retinal-vein-occlusion"),
        ("CRVO OD", "central-retinal-vein-occlusion"),
        ("macular hole, left eye", "macular-hole"),
        ("central retinal vein occlusion (CRVO)", "central-retinal-vein-occlusion"),
        ("diabetic retinopathy (stage unspecified)", "diabetic-retinopathy"),
        ("diabetic retinopathy (proliferative)", "proliferative-diabetic-retinopathy"),
        ("age-related macular degeneration (wet)", "neovascular-age-related-macular-degeneration"),
        ("non-proliferative diabetic retinopathy", "nonproliferative-diabetic-retinopathy"),
        ("central-retinal-vein-occlusion", "central-retinal-vein-occlusion"),
    ],
)
def test_order_punctuation_brackets_and_laterality_do_not_matter(written, meant):
    assert load_catalogue().resolve(written).id == meant


def test_a_bracket_that_contradicts_its_term_is_not_dropped():
    assert load_catalogue().resolve("macular hole (glaucoma)").id is None


def test_the_preferred_name_is_exact_and_a_synonym_is_not():
    catalogue = load_catalogue()
    assert catalogue.resolve("Retinitis Pigmentosa").match == "exact"
    assert catalogue.resolve("视网膜色素变性").match == "exact"
    assert catalogue.resolve("rod-cone dystrophy").match == "synonym"


def test_a_shared_abbreviation_returns_its_candidates_and_a_label_set_decides():
    catalogue = load_catalogue()
    shared = catalogue.resolve("SO")
    assert (shared.id, shared.match) == (None, "none")
    assert set(shared.candidates) == {"silicone-oil-filled-eye", "sympathetic-ophthalmia"}
    assert catalogue.resolve("SO", within=label_set("jsiec39").ids).id == "silicone-oil-filled-eye"


def test_two_diagnoses_in_one_text_are_both_candidates_and_neither_is_chosen():
    found = load_catalogue().resolve("CRVO with macular edema")
    assert found.id is None
    assert set(found.candidates) == {"central-retinal-vein-occlusion", "macular-edema"}


def test_everyday_words_are_abbreviations_in_capitals_only():
    catalogue = load_catalogue()
    assert catalogue.resolve("CAR").id == "cancer-associated-retinopathy"
    assert catalogue.resolve("car").id is None
    assert catalogue.resolve("on").id is None


def test_every_term_of_the_catalogue_finds_its_own_entry():
    catalogue = load_catalogue()
    for disease in catalogue.diseases:
        for term in (disease.id, disease.name, disease.name_zh, *disease.synonyms, *disease.synonyms_zh):
            assert catalogue.resolve(term).id == disease.id, term
        for term in disease.abbreviations:
            found = catalogue.resolve(term)
            assert found.id == disease.id or disease.id in found.candidates, term


def test_all_labels_of_the_shared_photographs_resolve(shared):
    with (shared / "fundus" / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    catalogue = load_catalogue()
    primary = {catalogue.resolve(row["label"]).id for row in rows}
    assert primary == set(label_set("fundus42").ids)
    every = {label.strip() for row in rows for label in row["labels_all"].split(";")}
    assert [label for label in every if catalogue.resolve(label).id is None] == []


def test_all_diagnoses_of_the_reference_study_resolve(shared):
    catalogue = load_catalogue()
    texts = set()
    for name in ("synth_cases", "synth_model", "synth_reads"):
        with (shared / "reference_stats" / "data" / f"{name}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                texts |= {
                    value for column, value in row.items() if column == "truth" or column.startswith("rank")
                }
    texts.discard("")
    assert len(texts) == 24
    assert len({catalogue.resolve(text).id for text in texts} - {None}) == 24
