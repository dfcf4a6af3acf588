"""Published open_clip folders: small random ones in the layouts of BiomedCLIP and of open_clip itself."""

import json

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image
from safetensors.torch import save_file

from retizero import phantom
from retizero.knowledge import parse_labels
from retizero.model import ModelError, known_models, load_model
from retizero.serving import Engine
from tests.retizero.tiny_models import TEXT_CONFIG, tiny_tokenizer

BIOMED_PREPROCESS = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}


def write_biomedclip(folder):
    """BiomedCLIP's layout at a tiny size: timm ViT, Hugging Face BERT whose config is not in the folder."""
    folder.mkdir(parents=True)
    tokenizer = tiny_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "cls_token": "[CLS]",
                "sep_token": "[SEP]", "unk_token": "[UNK]", "mask_token": "[MASK]"}  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    bert = {
        **TEXT_CONFIG,
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 64,
        "initializer_range": 0.5,
    }
    bert["num_attention_heads"] = 1  # as told from a width of 64
    config = {
        "embed_dim": 16,
        "vision_cfg": {
            "timm_model_name": "test_vit", "timm_model_pretrained": False, "timm_pool": "",
            "timm_proj": "linear", "image_size": 160,
        },
        "text_cfg": {
            "hf_model_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
            "hf_tokenizer_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
            "hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 64,
        },
    }  # fmt: skip
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": BIOMED_PREPROCESS})
    )
    bench = folder.parent / f"{folder.name}-text"
    bench.mkdir()
    (bench / "config.json").write_text(json.dumps(bert))
    torch.manual_seed(0)
    text = {**config["text_cfg"], "hf_model_name": str(bench), "hf_model_pretrained": False}
    model = open_clip.model.CustomTextCLIP(16, config["vision_cfg"], text).eval()
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return model


def write_native(folder):
    """open_clip's own transformers and tokenizer."""
    folder.mkdir(parents=True)
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    }
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"resize_mode": "longest"}})
    )
    torch.manual_seed(0)
    model = open_clip.model.CLIP(**config).eval()
    with torch.no_grad():
        model.token_embedding.weight.mul_(50)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return model


@pytest.fixture(scope="module", params=["biomedclip", "native"])
def published(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / request.param
    model = (write_biomedclip if request.param == "biomedclip" else write_native)(folder)
    return folder, model


def test_embeddings_are_those_of_open_clip_itself(published):
    folder, model = published
    ours = load_model(f"local-dir:{folder}", "cpu")
    pixels = torch.randn(2, 3, ours.preprocess.size, ours.preprocess.size)
    texts = ["a photograph", "a photograph of retinal detachment and more"]
    ids = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    with torch.no_grad():
        images = model.encode_image(pixels, normalize=True).numpy()
        words = model.encode_text(ids, normalize=True).numpy()
    assert np.abs(ours.encode_images(pixels.numpy()) - images).max() < 1e-5
    assert np.abs(ours.encode_texts(texts) - words).max() < 1e-5
    assert ours.logit_scale == pytest.approx(model.logit_scale.exp().item())


def test_preprocessing_is_that_of_open_clip_itself(published):
    folder, _ = published
    ours = load_model(str(folder), "cpu")
    config = json.loads((folder / "open_clip_config.json").read_text())
    given = {"size": ours.preprocess.size, **config["preprocess_cfg"]}
    theirs = image_transform_v2(PreprocessCfg(**merge_preprocess_dict({}, given)), is_train=False)
    picture = np.random.default_rng(0).integers(0, 255, (151, 203, 3), dtype=np.uint8)
    assert np.abs(ours.preprocess(picture) - theirs(Image.fromarray(picture)).numpy()).max() < 1e-5


def test_the_engine_answers_and_explains_with_it(published):
    folder, _ = published
    engine = Engine.load(str(folder), "cpu")
    photograph = phantom.render("drusen", 3, size=120)
    found = engine.explain(photograph, "drusen")
    assert found.method == "relevance"
    assert found.map.shape == photograph.shape[:2]
    scores = engine.similarity(engine.embed_image([photograph]), parse_labels("drusen; glaucoma"))
    assert scores.sum() == pytest.approx(1)


def test_known_hub_models_are_found_where_pull_puts_them_and_asked_as_they_want(tmp_path, monkeypatch):
    monkeypatch.setenv("RETIZERO_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(ModelError, match="retizero models pull microsoft/BiomedCLIP"):
        load_model("biomedclip", "cpu")
    write_biomedclip(tmp_path / "BiomedCLIP-PubMedBERT_256-vit_base_patch16_224")
    assert next(each for each in known_models() if each.id == "biomedclip").present
    model = load_model("biomedclip", "cpu")
    assert (model.identity.id, model.identity.template) == ("biomedclip", "this is a photo of {label}")
    assert "PMC-15M" in model.identity.trained_on
    assert model.identity.preprocess["crop"] == "shortest"
    by_hub_id = load_model("hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", "cpu")
    assert by_hub_id.identity.weights_sha256 == model.identity.weights_sha256
    with pytest.raises(ModelError, match="run `retizero models pull someone/something`"):
        load_model("hf-hub:someone/something", "cpu")


def test_what_is_missing_from_a_folder_is_said(tmp_path):
    folder = tmp_path / "model"
    write_biomedclip(folder)
    (folder / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    with pytest.raises(
        ModelError, match=r"lacks its tokenizer: put tokenizer.json or vocab.txt of microsoft/"
    ):
        load_model(folder, "cpu")
    (tmp_path / "tokenizer.json").rename(folder / "tokenizer.json")
    weights = torch.load(folder / "open_clip_pytorch_model.bin", weights_only=True)
    weights["visual.trunk.cls_tokens"] = weights.pop("visual.trunk.cls_token")
    torch.save(weights, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"visual\.trunk\.cls_token"):
        load_model(folder, "cpu")
    (folder / "open_clip_pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match="has no weights"):
        load_model(folder, "cpu")
