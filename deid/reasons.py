"""Why an instance is held back, in a sentence, and what a person can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from deid.domain.findings import Reason

_FROM_THE_MODALITY = _("Use the images of the examination itself; this object shows a copy of them.")
_LOOK = _("A manager of the target archive can look at the picture and release it, or drop it from the copy.")
_STAYS = _("It stays in the clinical archive. It can be copied once its pixels were cleaned and approved.")


@dataclass(frozen=True, slots=True)
class Explanation:
    title: Any
    sentence: Any
    remedy: Any


EXPLANATIONS: dict[Reason, Explanation] = {
    Reason.BURNED_IN: Explanation(
        _("Text burned into the image"),
        _("The image states that it carries burned-in annotation, which may name the patient."),
        _LOOK,
    ),
    Reason.BURNED_IN_LIKELY: Explanation(
        _("Burned-in text is likely"),
        _("Images of this kind usually carry burned-in text, and this one does not state that it is free of it."),
        _LOOK,
    ),
    Reason.ULTRASOUND: Explanation(
        _("Ultrasound"),
        _("Ultrasound machines write the patient's name and number into the image, whatever the header says."),
        _LOOK,
    ),
    Reason.SECONDARY_CAPTURE: Explanation(
        _("Secondary capture"),
        _("The object is a capture of a screen or a scan; its pixels may show any text."),
        _FROM_THE_MODALITY,
    ),
    Reason.SCREEN_SAVE: Explanation(
        _("Saved screen"),
        _(
            "Its image type or the name of its series says that this is a saved screen, a report page or a protocol sheet."
        ),
        _FROM_THE_MODALITY,
    ),
    Reason.DIGITIZED_FILM: Explanation(
        _("Digitised film"), _("Scanned films carry the label with the patient's name."), _LOOK
    ),
    Reason.PHOTOGRAPH: Explanation(
        _("Photograph or endoscopy"), _("Visible-light images may show a face, skin marks or text."), _LOOK
    ),
    Reason.VIDEO: Explanation(_("Video"), _("Video is not searched for text or faces yet."), _STAYS),
    Reason.SLIDE_LABEL: Explanation(
        _("Slide label"),
        _("Label and overview images of a slide show its label with the specimen's number."),
        _("Copy the slide's volume images; they are separate instances."),
    ),
    Reason.ENCAPSULATED_DOCUMENT: Explanation(
        _("Document"),
        _("A PDF, CDA or model inside the object cannot be de-identified by a profile of attributes."),
        _("Write what matters into the case's text."),
    ),
    Reason.STRUCTURED_REPORT: Explanation(
        _("Structured report"),
        _("Reports hold free text and names of persons."),
        _("Write what matters into the case's text."),
    ),
    Reason.TEXT_ANNOTATION: Explanation(
        _("Text drawn on the image"),
        _("The presentation state holds text or bitmaps that somebody drew."),
        _("Set window and marks again in the viewer; the images themselves are copied."),
    ),
    Reason.RECOGNIZABLE_FEATURES: Explanation(
        _("Recognisable features"),
        _("The object states that the patient could be recognised by what it shows."),
        _("It stays in the clinical archive."),
    ),
    Reason.OVERLAY_IN_PIXELS: Explanation(
        _("Overlay inside the pixel values"),
        _("An overlay is kept in unused bits of the pixels; it may hold text."),
        _STAYS,
    ),
    Reason.RAW_DATA: Explanation(
        _("Raw data"), _("What raw data hold is known to their maker only."), _("Copy the images made from them.")
    ),
    Reason.SOUND: Explanation(
        _("Sound or unknown waveform"),
        _("The object holds a recording in which somebody may speak."),
        _("Write what was said into the case's text; the images themselves are copied."),
    ),
    Reason.SURFACE: Explanation(
        _("Surface model"),
        _("A surface, a mesh or nerve tracks may show the patient's face or letters that were modelled."),
        _("Copy the images that the model was made from."),
    ),
    Reason.DRAWING: Explanation(
        _("Drawing"),
        _("Somebody drew on the images; lines and bitmaps may spell a name."),
        _("Set window and marks again in the viewer; the images themselves are copied."),
    ),
    Reason.TEXT_IN_BINARY: Explanation(
        _("Text in binary data"),
        _(
            "A table of numbers, such as a look-up table or a profile of colours, holds letters or a number of the patient."
        ),
        _("Send the image again from its source without the element named here."),
    ),
    Reason.CONTOURS: Explanation(
        _("Contours drawn by hand"),
        _("The object holds outlines that a person drew; lines could spell a name."),
        _("Look at the contours before you publish them."),
    ),
    Reason.UNKNOWN_CLASS: Explanation(
        _("Unknown kind of object"),
        _("The object is of a private or unknown kind, so that nobody can say where it names the patient."),
        _("Copy the standard images of the study."),
    ),
    Reason.PRIVATE_TRANSFER_SYNTAX: Explanation(
        _("Private encoding"),
        _("The object is encoded in a private way and cannot be checked."),
        _("Send it again in a standard transfer syntax."),
    ),
    Reason.PIXEL_LENGTH: Explanation(
        _("Bytes beside the image"),
        _(
            "The pixel data is longer or shorter than the image it describes, or its header does not say which bits are "
            "image."
        ),
        _("Send the image again from its source; the copy in the archive is damaged or carries something more."),
    ),
    Reason.COMPRESSED_COMMENT: Explanation(
        _("Something beside the compressed image"),
        _(
            "The compressed data holds something that is not part of the picture, such as bytes behind the last pixel or an "
            "unknown segment. It may be text, and looking at the picture does not show it."
        ),
        _("Send it again uncompressed, or in another transfer syntax."),
    ),
    Reason.DAMAGED_PIXELS: Explanation(
        _("Damaged pixel data"),
        _("The compressed image is not the one that the header describes, or it does not decode."),
        _("Send the image again from its source."),
    ),
    Reason.NOT_CHECKED: Explanation(
        _("Pixels not checked"),
        _(
            "Decoding the image took too long or too much memory, so it could not be checked for bytes that are not part "
            "of the picture. This does not mean that it is damaged."
        ),
        _("It is checked again the next time the run continues. A manager of the target archive can also release it."),
    ),
    Reason.ULTRASOUND_REGIONS: Explanation(
        _("Ultrasound regions"),
        _("The object describes regions as ultrasound machines do, which write names into the image."),
        _LOOK,
    ),
    Reason.COLOUR: Explanation(
        _("Colour where grey is the rule"),
        _("Scanners of this kind measure grey values; a colour image was rendered and may show text from the screen."),
        _LOOK,
    ),
    Reason.SECONDARY_IMAGE: Explanation(
        _("Secondary image"),
        _("The image was made after the examination and may show text, as screenshots and report pages do."),
        _LOOK,
    ),
    Reason.RT_IMAGE: Explanation(
        _("Radiotherapy image"),
        _("Portal images and simulator films carry plan and patient labels."),
        _LOOK,
    ),
    Reason.SEGMENTATION: Explanation(
        _("Segmentation"),
        _("The drawn areas could spell letters; the header does not tell."),
        _LOOK,
    ),
    Reason.SLIDE_UNSTATED: Explanation(
        _("Slide without statements"),
        _("The slide does not state that neither its label nor any text is in the image."),
        _LOOK,
    ),
    Reason.UNUSUAL_IMAGE: Explanation(
        _("Unusual kind of image"),
        _("Images of this kind are not known to be free of text."),
        _LOOK,
    ),
    Reason.NOT_ACQUIRED: Explanation(
        _("Not shown to be from the scanner"),
        _(
            "The object is of a scanner's class, but its image type, bits and position are not those of an image that "
            "the scanner acquired; it may be a saved screen."
        ),
        _LOOK,
    ),
    Reason.UNREADABLE: Explanation(
        _("Cannot be read"),
        _("The file cannot be read to its end as the standard requires."),
        _("Send the image again from its source."),
    ),
    Reason.NOT_PROCESSED: Explanation(
        _("Could not be de-identified"),
        _("The object is so malformed that it cannot be written again without the patient."),
        _("Tell an administrator; the kind of error is in the log of the worker."),
    ),
    Reason.RESIDUE: Explanation(
        _("Something of the patient was left"),
        _("After de-identification a name, number or date of the patient was still found, so nothing was stored."),
        _("Tell an administrator the place named here; the profile needs a rule for it."),
    ),
    Reason.NOT_STORED: Explanation(
        _("The target archive refused it"),
        _("The archive holds other content under the same identifier, as after a copy with other options."),
        _("Delete the earlier copy in the target archive, then start again."),
    ),
    Reason.FACE: Explanation(
        _("A face could be reconstructed"),
        _("Images of the head may allow the surface of the face to be rendered."),
        _("Consider whether everybody who may open the target archive may see that."),
    ),
    Reason.BURNED_IN_UNSTATED: Explanation(
        _("Not stated whether text is burned in"),
        _("The image does not say whether it carries burned-in annotation; for its kind that is rare."),
        _("Look at the images before you publish them."),
    ),
}


def explain(code: str) -> Explanation:
    """The explanation of a stored reason; one of an older version is shown by its code."""
    try:
        return EXPLANATIONS[Reason(code)]
    except ValueError:
        return Explanation(code, "", "")
