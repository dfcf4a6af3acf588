"""The layout and wiring of the public demo."""

from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from retizero.data import crop_to_field, read_image
from retizero.knowledge import label_set, label_sets
from webapp.language import Language
from webapp.pages import few_shot
from webapp.pages.demo import about, answers, evidence, picker
from webapp.pages.demo import similar as similar_cases
from webapp.refusals import refusal
from webapp.rooms import Rooms
from webapp.shell import notice, top_bar
from webapp.tables import statement

DEFAULT_SET = "common15"
THUMBNAIL = 240  # pixels


def page(words: Language, rooms: Rooms) -> gr.Blocks:
    """Build the demo in one language."""
    blocks = gr.Blocks(
        title="RetiZero Studio", analytics_enabled=False, fill_width=True, delete_cache=few_shot.KEPT
    )
    with blocks:
        gr.HTML(top_bar(words, "/"))
        gr.HTML(f'<div class="rz-lead"><h1>{words("demo.title")}</h1><p>{words("demo.lead")}</p></div>')
        path = gr.State(None)
        with gr.Row(elem_classes="rz-columns"):
            with gr.Column(scale=4, min_width=320):
                file = gr.File(label=words("demo.upload"), type="filepath", height=132, elem_id="rz-upload")
                gr.HTML(statement(words("demo.kept"), "quiet"))
                problem = gr.HTML(elem_id="rz-problem")
                preview = gr.Image(
                    label=words("demo.preview"), interactive=False, format="png", height=360,
                    buttons=["fullscreen"],
                    alt_text=words("demo.preview_alt"), elem_id="rz-preview",
                )  # fmt: skip
                examples = gr.Gallery(
                    value=_thumbnails(rooms, words), label=words("demo.examples"), columns=4, height="auto",
                    allow_preview=False, format="png", buttons=[], elem_id="rz-examples",
                )  # fmt: skip
            with gr.Column(scale=6, min_width=320):
                model, who = picker.picker(words, rooms)
                tabs = gr.Tabs()
            with tabs:
                with gr.Tab(words("demo.zero_shot"), id="zero-shot"):
                    with gr.Row():
                        labels = gr.Dropdown(
                            choices=_label_set_choices(words), value=DEFAULT_SET, label=words("demo.labels"),
                            info=words("demo.labels_info"), elem_id="rz-labels", scale=3,
                        )  # fmt: skip
                        top_k = gr.Slider(3, 15, value=5, step=1, label=words("demo.top_k"), scale=2)
                    typed = gr.Textbox(
                        label=words("demo.free_labels"), placeholder=words("demo.free_labels_placeholder"),
                        elem_id="rz-typed", max_length=20_000,
                    )  # fmt: skip
                    run = gr.Button(words("demo.run"), variant="primary", elem_id="rz-run")
                    said = gr.HTML(statement(words("demo.waiting"), "quiet"), elem_id="rz-said")
                    figure = gr.Plot(show_label=False, container=False, elem_id="rz-figure")
                    table = gr.HTML(elem_id="rz-ranking")
                with gr.Tab(words("evidence.tab"), id="evidence"):
                    offered, offer_from, offer_to = evidence.tab(words, rooms, [path, labels, typed], model)
                with gr.Tab(words("demo.retrieval"), id="retrieval"):
                    similar, search_for, cases = similar_cases.tab(words, rooms, blocks, path, model)
                with gr.Tab(words("few_shot.tab"), id="few-shot"):
                    teach, taught, learnt = few_shot.tab(words, rooms, blocks, path, model)
                with gr.Tab(words("demo.about"), id="about"):
                    facts = about.content(words, rooms)
        gr.HTML(notice(words))

        def choose(uploaded: str | None) -> tuple[Any, str | None, str]:
            """Read an upload: preview, path for the next steps, problem in words."""
            if not uploaded:
                return None, None, ""
            try:
                return crop_to_field(answers.read_photograph(rooms, uploaded, words)), uploaded, ""
            except ValueError as error:
                return None, None, statement(refusal(error, words), "problem")

        def pick(event: gr.SelectData) -> tuple[Any, str, str]:
            """Take an example instead of an upload."""
            example = rooms.examples[int(event.index)]
            return crop_to_field(read_image(example)), str(example), ""

        def ranked(p: str | None, chosen: str, own: str, k: int, id: str) -> tuple[Any, str, str]:
            if p is None:
                return None, statement(words("demo.waiting"), "quiet"), ""
            return answers.rank(rooms, words, p, chosen, own, k, id)

        def asked(p: str | None, chosen: str, own: str, k: int, id: str) -> tuple[Any, str, str]:
            return answers.rank(rooms, words, p, chosen, own, k, id)

        question, answer = [path, labels, typed, top_k, model], [figure, said, table]
        closed: dict[str, Any] = {"api_visibility": "private"}
        chosen = [preview, path, problem]
        for event in (
            file.change(choose, file, chosen, **closed),
            examples.select(pick, None, chosen, **closed),
        ):
            answered = event.then(ranked, question, answer, **closed)
            event.then(teach, taught, learnt, **closed)
            answered.then(similar, search_for, cases, **closed).then(offered, offer_from, offer_to, **closed)
        picked = model.input(lambda id: picker.describe(words, rooms, id), model, [who, facts], **closed)
        picked = picked.then(ranked, question, answer, **closed).then(similar, search_for, cases, **closed)
        picked.then(offered, offer_from, offer_to, **closed)
        run.click(asked, question, answer, **closed).then(offered, offer_from, offer_to, **closed)
        own_list = typed.submit(lambda: answers.OWN_LIST, None, labels, **closed)
        own_list = own_list.then(asked, question, answer, **closed)
        changed = gr.on([labels.input, top_k.release], ranked, question, answer, **closed)
        for event in (own_list, changed):
            event.then(offered, offer_from, offer_to, **closed)
        _public_endpoints(words, rooms)
    return blocks


def _public_endpoints(words: Language, rooms: Rooms) -> None:
    """Declare ``/classify`` and ``/search`` for ``gradio_client``: inputs image, labels, top_k."""
    with gr.Column(visible=False):
        image = gr.File(label="image", type="filepath")
        labels = gr.Textbox("common15", label="labels")
        top_k = gr.Number(5, label="top_k", precision=0, minimum=1, maximum=50)
        out = gr.JSON(label="result")
        classify, search = gr.Button("classify"), gr.Button("search")

    def classify_image(image: str, labels: str = "common15", top_k: float = 5) -> object:
        """Rank diagnoses for one fundus photograph.

        Args:
            image: a photograph file.
            labels: a label set's name, or diagnoses separated by semicolons.
            top_k: how many to return.
        """
        return answers.classify_json(rooms, words, image, labels, top_k)

    def search_gallery(image: str, top_k: float = 5) -> object:
        """Find the gallery cases most similar to one fundus photograph.

        Args:
            image: a photograph file.
            top_k: how many to return.
        """
        return answers.search_json(rooms, words, image, top_k)

    classify.click(classify_image, [image, labels, top_k], out, api_name="classify")
    search.click(search_gallery, [image, top_k], out, api_name="search")


def _label_set_choices(words: Language) -> list[tuple[str, str]]:
    sets = [label_set(name) for name in label_sets()]
    titled = [((s.title_zh if words.code == "zh" else s.title) + f" ({len(s.ids)})", s.name) for s in sets]
    return [*titled, (words("demo.own_labels"), answers.OWN_LIST)]


def _thumbnails(rooms: Rooms, words: Language) -> list[tuple[Image.Image, str]]:
    shown = []
    for number, example in enumerate(rooms.examples, start=1):
        image = Image.fromarray(np.asarray(read_image(example)))
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        shown.append((image, words("demo.example", number=number)))
    return shown
