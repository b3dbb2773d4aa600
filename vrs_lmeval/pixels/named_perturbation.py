"""An image and the name of a graded perturbation -> the image as a model is shown it under that variant."""

from __future__ import annotations

from os import PathLike

from PIL import Image

from vrs_lmeval.pixels import preprocess
from vrs_lmeval.records import Sample
from vrs_lmeval.variants.rules import show_graded
from vrs_lmeval.variants.severities import find_graded, list_graded
from vrs_lmeval.variants.two_step_changes import prepare
from vrs_lmeval.variants.variant import Split


def perturb(image: Image.Image | str | PathLike[str], name: str, *, seed: int = 0, image_id: str = "") -> Image.Image:
    """The image under a variant such as "gaussian_blur_3": RGB, of the same size.

    `image` is a picture or a file of one. Noise and other random changes depend on `seed` and `image_id`; with the
    `image_id` that a run logs and the variant's seed they are what the model saw. Raises ValueError for other names.
    """
    graded = find_graded(name)
    if graded is None:
        raise ValueError(f"no perturbation {name!r}; there are {', '.join(list_graded())}")
    row, published = graded
    with Image.open(image) if not isinstance(image, Image.Image) else image.copy() as opened:
        picture = Image.fromarray(preprocess.as_rgb(opened))
    rule = show_graded(Split((), {image_id: picture.size}), name, row, published, seed)
    sample = Sample(sample_id="", image_id=image_id, question="", golds=(), answer_type="open")
    return preprocess.perturb(*prepare(picture, rule.change(image_id, sample), preprocess.perturb))
