"""What is true of a slice picture: the answer to each question that applies, with the evidence that proves it."""

from __future__ import annotations

from tools.sample.slices import (
    AXIS_OF_PLANE,
    PLANES,
    VOLUMES,
    SliceView,
    front_edge,
    mark_height,
    mark_hemisphere,
    mark_side,
)

Fact = tuple[str, str]  # answer, evidence

_SKULL_EVIDENCE = {
    "colin27": "ch2.nii.gz is the whole head: it holds tissue outside its brain-only twin ch2bet.nii.gz",
    "colin27_brain": "ch2bet.nii.gz is ch2.nii.gz after brain extraction (bet): all else is zero",
    "mni152": "nilearn.datasets.load_mni152_template: 'skullstripped T1 template'",
    "inia19": "the file name inia19-t1-brain says that only the brain is left",
}
_SPECIES_EVIDENCE = {
    "colin27": "Colin27: 27 scans of one man, averaged",
    "colin27_brain": "Colin27: 27 scans of one man, averaged",
    "mni152": "ICBM 152: the average of 152 people",
    "inia19": "NIfTI header: https://www.nitrc.org/projects/inia19/ PMID: 23230398, a rhesus macaque template",
}
# The words "brain" and "mri" for every volume; the header or package documentation says T1-weighted MR.
_MRI_EVIDENCE = "T1-weighted MR template"


def collect_facts(view: SliceView) -> dict[str, Fact]:
    """Map question key to (answer, evidence), for every question that has an answer in this picture."""
    volume = VOLUMES[view.volume]
    axis = AXIS_OF_PLANE[view.plane]
    where = f"slice {view.index} across axis {axis} of a volume whose affine is RAS"
    facts: dict[str, Fact] = {
        "skull": ("yes" if volume.skull else "no", _SKULL_EVIDENCE[view.volume]),
        "species": (volume.species, _SPECIES_EVIDENCE[view.volume]),
        "modality": ("mri", _MRI_EVIDENCE),
        "organ": ("brain", _MRI_EVIDENCE + " of the brain"),
    }
    for key in ("plane", "plane_open"):
        facts[key] = (view.plane, f"{where}: {view.plane}")
    for plane in PLANES:
        facts[f"plane_{plane}"] = ("yes" if plane == view.plane else "no", f"{where}: {view.plane}")
    if view.plane != "coronal":
        shown = f"affine RAS, mirrored={view.mirrored}, quarter turns={view.turns}"
        facts["front_edge"] = (front_edge(view), shown)
    if view.marks:
        facts |= _collect_mark_facts(view)
    return facts


def _collect_mark_facts(view: SliceView) -> dict[str, Fact]:
    marks = ", ".join(f"({column}, {row})" for column, row in view.marks)
    drawn = f"drawn at (column, row) {marks} of {VOLUMES[view.volume].canvas} px"
    facts = {"mark_count": (str(len(view.marks)), drawn)}
    if len(view.marks) > 1:
        return facts
    mark = view.marks[0]
    side, height = mark_side(view, mark), mark_height(view, mark)
    facts["mark_side"] = (side, drawn)
    facts["mark_height"] = (height, drawn)
    facts["mark_quadrant"] = (f"{height} {side}", drawn)
    if view.plane != "sagittal" and not view.turns:
        key = "hemisphere_mirrored" if view.mirrored else "hemisphere_same"
        shown = f"{drawn}; affine RAS, mirrored={view.mirrored}"
        facts[key] = (mark_hemisphere(view, mark), shown)
    return facts
