"""Who made each source picture and under what licence: copied into every row of images.jsonl."""

from __future__ import annotations

from typing import NamedTuple


class Credit(NamedTuple):
    """`licence_file` is relative to the repository root."""

    licence: str
    licence_file: str
    attribution: str


_MNI = "MNI/McGill permission notice"
_COLIN = Credit(
    _MNI,
    "LICENSES/MNI-McGill.txt",
    "Colin27 average brain, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University "
    "(Holmes et al., J Comput Assist Tomogr 1998)",
)
_SKIMAGE = "LICENSES/scikit-image-data.txt"

CREDITS = {
    "ch2.nii.gz": _COLIN,
    "ch2bet.nii.gz": _COLIN,
    "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz": Credit(
        _MNI,
        "LICENSES/MNI-McGill.txt",
        "ICBM 152 nonlinear 2009a symmetric template, McConnell Brain Imaging Centre, Montreal Neurological Institute, "
        "McGill University (Fonov et al., NeuroImage 2011)",
    ),
    "inia19-t1-brain.nii.gz": Credit(
        "CC-BY (as the NIfTI header states; no version given)",
        "LICENSES/INIA19.txt",
        "INIA19 primate brain atlas, https://www.nitrc.org/projects/inia19/, PMID 23230398",
    ),
    "retina.jpg": Credit("CC0", _SKIMAGE, "Hakon Häggström, via Wikimedia Commons and scikit-image"),
    "microaneurysms.png": Credit(
        "CC0", _SKIMAGE, "High-Resolution Fundus image database, Andreas Maier, FAU Erlangen, via scikit-image"
    ),
    "ihc.png": Credit(
        "no known copyright restrictions",
        _SKIMAGE,
        "Center for Microscopy and Molecular Imaging (CMMI), via scikit-image",
    ),
    "cell.png": Credit("CC0", _SKIMAGE, "Paul Müller, via scikit-image"),
    "VisibleWomanEyeSlice.png": Credit(
        "public domain",
        "LICENSES/Visible-Human.txt",
        "U.S. National Library of Medicine, Visible Human Project, via ITK",
    ),
    "VisibleWomanHeadSlice.png": Credit(
        "public domain",
        "LICENSES/Visible-Human.txt",
        "U.S. National Library of Medicine, Visible Human Project, via ITK",
    ),
    "explicit_VR-UN.dcm": Credit(
        "CC BY 3.0",
        "LICENSES/Pancreas-CT.txt",
        "Roth et al., Data From Pancreas-CT, The Cancer Imaging Archive, 2016, doi:10.7937/K9/TCIA.2016.tNB1kqBU; "
        "changed: windowed, flipped upright, reduced to 256 px",
    ),
}
