"""The two rates of the BreaKHis paper, on images and on patients.

Source: Spanhol et al., IEEE TBME 63(7):1455-1462, 2016, section III-C, doi 10.1109/TBME.2015.2496264:
a patient's score is the share of its images that are answered correctly; the patient recognition rate (PRR)
is the mean score over patients; the image recognition rate is the share of all images. The class of a
patient's mean probability is another quantity and is never called PRR here.
"""

import numpy as np

from breakhis.metrics.intervals import BoolArray, Estimate, FloatArray, Resamples, StrArray


def patient_scores(correct: BoolArray, patients: StrArray) -> tuple[StrArray, FloatArray]:
    """Names of the P patients, sorted, and the share of correct images of each, (P,) in [0, 1]."""
    names, index = np.unique(patients, return_inverse=True)
    scores: FloatArray = np.bincount(index, weights=correct) / np.bincount(index)
    return names, scores


def image_recognition_rate(correct: BoolArray, resamples: Resamples) -> Estimate:
    """Correct images over all images."""
    return Estimate(float(correct.mean()), resamples.ratio(correct, np.ones(len(correct))))


def patient_recognition_rate(correct: BoolArray, patients: StrArray, resamples: Resamples) -> Estimate:
    """PRR; undefined where a patient is unknown (empty name).

    An image counts one over its patient's images, so that each patient weighs 1 and a case drawn twice brings
    all of its patients twice.
    """
    if "" in patients:
        return Estimate.undefined()
    _, index = np.unique(patients, return_inverse=True)
    share = 1.0 / np.bincount(index)[index]
    _, scores = patient_scores(correct, patients)
    return Estimate(float(scores.mean()), resamples.ratio(correct * share, share))
