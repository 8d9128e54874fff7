"""The scoring of published repositories as protocols: what they do, and every fault that moves a number."""

from __future__ import annotations

from dataclasses import replace

from .base import Fault, Protocol, labeled

EVERY_FRAME = "every annotated frame with at least one fixation"
EXPECTED = "random splits are computed in exact expectation"
UNION = (
    "the draw of the videos and frames enters through probabilities of pixels, not through each draw's own ratio: "
    "about 0.004 of sAUC"
)
BONUS = Fault(
    "AUC-J joins ROC points at fixated values only by straight lines: a bonus of fp_n / (2 n)",
    "mean +0.073 with 3 fixations, +0.038 with 8, +0.022 with 15, +0.014 with 30, +0.005 with 100",
)
STEPS_OPEN = Fault(
    "sAUC looks at thresholds 0.0 to 0.9 of the stretched map only",
    "mean -0.002 to -0.004 for 15 and more fixations, single frames up to 0.10; a fixation on the maximum loses up to "
    "0.005 against the range that includes 1.0",
)
KNIFE_EDGE = Fault(
    "maps are stretched in float32, where levels at 0.2, 0.4, 0.6, 0.8 of the range fall on either side of a threshold",
    "mean 0.0002 of sAUC, up to 0.009 in a frame with 8-bit maps",
)
CONSTANT_RAISES = Fault(
    "a constant map divides 0, or its rounding noise, by itself: NaN, 1 or -1 by chance, or the evaluation stops",
    "such frames must be absent; here they are NaN",
)

UNISAL_1 = Protocol(
    name="unisal-1",
    summary="UNISAL's scoring of its own log densities, in expectation.",
    origin="rdroste/unisal, unisal/salience_metrics.py, unisal/utils.py, unisal/train.py",
    metrics=labeled(
        "auc_judd[trapz;unique_thresholds;round=4;float32]",
        "shuffled_auc[step=0.1;expected;thr=0..0.9;float32]",
        "nss[ddof=1;pos=fixated_pixels;none=1]",
        "cc[pearson;constant=nan]",
        "sim[none]",
        "kld[gt||pred;log_softmax;no_eps;0*inf=nan]",
    ),
    resize="bilinear-halfpixel",
    truth_encoding="uint8",
    negatives="ten-stimulus-union",
    negatives_note=(
        "the union of the fixated pixels of one random frame of each of 10 random videos of the split, drawn anew for "
        "every frame, the own video included, in expectation"
    ),
    average="stimulus",
    frames=EVERY_FRAME,
    approximations=(
        EXPECTED,
        UNION,
        "the original takes AUC-J and sAUC of a random half of the frames (mean over draws: of all frames)",
        "its network predicts at the truth's size; a prediction of another size is resized linearly",
        "frames without fixations count nowhere in a run; the original gives them an NSS of 1",
        "arithmetic is float64 where the original's float32 only adds rounding",
    ),
    faults=(
        Fault("a frame without fixations has an NSS of exactly 1", "pulls the mean of sparse videos towards 1"),
        Fault("ROC coordinates are rounded to four decimals", "at most 0.0001"),
        Fault(
            "AUC-J has one point for each distinct fixated value: ties count half, the last segment a bonus as in "
            "fp_n / (2 n)",
            "against the expected jitter -0.001 on 8-bit maps, at most 0.018 with 3 fixations",
        ),
        STEPS_OPEN,
        KNIFE_EDGE,
        Fault("AUC-J and sAUC of a random half of the frames", "sampling noise of the mean; none in expectation"),
        Fault("SIM takes both maps for densities and normalises nothing", "-31,000 for a map of logarithms"),
        Fault(
            "KLD has no constant: one pixel of probability 0 makes the frame NaN or infinite",
            "none for its own log-softmax maps, every frame for maps with exact zeros",
        ),
        CONSTANT_RAISES,
    ),
)

SALEMA_1 = Protocol(
    name="salema-1",
    summary="SalEMA's Python port of the MIT scores on 8-bit maps at half resolution, in expectation.",
    origin="Linardos/SalEMA, evaluation/salience_metrics.py, evaluation/metric_calculation.py",
    metrics=labeled(
        "auc_judd[trapz;jitter=expected;float32;scale=255]",
        "shuffled_auc[step=0.1;expected;thr=0..0.9;float32;fp=over_fixations]",
        "nss[ddof=0;pos=fixated_pixels;constant=nan]",
        "cc[pearson;constant=nan]",
        "sim[minmax;sum;zero=nan]",
        "kld[not scored]",
    ),
    resize="bilinear-uint8",
    encoding="uint8",
    truth_encoding="uint8",
    halved=True,
    negatives="forty-other-union",
    negatives_note=(
        "the union of the fixated pixels of one random frame of each of 40 random other videos, drawn once for each "
        "video, in expectation"
    ),
    average="stimulus",
    frames=EVERY_FRAME,
    approximations=(
        EXPECTED,
        UNION,
        "at half resolution, pixels of a block of four are taken to be in the union independently",
        "the jitter of 1e-7 is rounded to float32 as there; it reorders no values that differ",
        "`score_frame` applies the functions at the size of the maps it is given; only a run halves",
    ),
    faults=(
        Fault(
            "everything is halved before scoring: fixated pixels become blocks of four, neighbours merge",
            "on simulated smooth frames of 360 x 640 with 20 fixations at most 0.004 (AUC-J), 0.012 (sAUC), 0.014 "
            "(NSS), 0.002 (CC, SIM); means below 0.0015",
        ),
        BONUS,
        Fault(
            "the jitter is added in float32 to levels of 0..255, where it moves levels 0 and 1 only: all brighter ties "
            "count against the prediction",
            "-0.002 on smooth 8-bit maps, -0.10 with four levels (0.684 for 0.789)",
        ),
        Fault("the jitter changes the caller's map", "1e-7 of the levels 0 and 1 in all later scores"),
        Fault(
            "false positives of sAUC are divided by the number of fixations even where there are fewer negatives",
            "0.84 instead of 0.37 with 4 negatives for 16 fixations; none where negatives abound",
        ),
        STEPS_OPEN,
        Fault("a constant map that jitter can not move scores AUC-J 1 + n / (2 (N - n))", "1.003 instead of 0.5"),
        CONSTANT_RAISES,
    ),
)

TINYHD_1 = Protocol(
    name="tinyhd-1",
    summary="tinyHD's Python port of the MIT scores on float32 maps of 0..1, in expectation.",
    origin="feiyanhu/tinyHD, src/metrics/metrics.py, src/compute_metrics.py",
    metrics=labeled(
        "auc_judd[trapz;jitter=expected;float32;scale=1]",
        "shuffled_auc[step=0.1;expected;thr=0..0.9;float32;fp=over_fixations]",
        "nss[ddof=0;pos=fixated_pixels;constant=nan]",
        "cc[pearson;constant=nan]",
        "sim[minmax;sum;zero=nan]",
        "kld[not scored]",
    ),
    resize="linear-skimage",
    encoding="uint8",
    truth_encoding="uint8",
    negatives="ten-stimulus-union",
    negatives_note=(
        "the union of the fixated pixels of one random frame of each of 10 random videos, drawn anew for every frame, "
        "in expectation; there from the training videos, here from the split that is scored"
    ),
    average="stimulus",
    frames=EVERY_FRAME,
    approximations=(
        EXPECTED,
        UNION,
        "its call of sAUC is commented out (AUC-B is reported in its place); the score is that of the function",
        "its stored union map for sAUC covers 74 % of the pixels and is not used",
        "a prediction of another size is resized as its NSS does; the bicubic call of the other scores fails in "
        "scikit-image since 0.19",
        "the jitter of 1e-7 is rounded to float32 as there; it reorders no values that differ",
    ),
    faults=(
        BONUS,
        Fault(
            "the jitter is added in float32 to values of 0..1: above 0.5 it has one to three values, so ties partly "
            "remain and count against the prediction",
            "-0.0005 on smooth 8-bit maps, -0.04 with four levels (0.750 for 0.789), 0.31 for a constant map of 0.5",
        ),
        Fault(
            "false positives of sAUC are divided by the number of fixations even where there are fewer negatives",
            "0.84 instead of 0.37 with 4 negatives for 16 fixations; none where negatives abound",
        ),
        STEPS_OPEN,
        CONSTANT_RAISES,
    ),
)

MSU_1 = Protocol(
    name="msu-1",
    summary="The scoring of the MSU video saliency challenges (ECCV 2024, NTIRE 2026).",
    origin="msu-video-group/ECCVW24_Saliency_Prediction and NTIRE26_Saliency_Prediction, bench.py",
    metrics=labeled(
        "auc_judd[trapz;jitter=none;pos=fixation_list;unique=columns]",
        "shuffled_auc[not scored]",
        "nss[ddof=0;std+1e-7;pos=fixation_list]",
        "cc[pearson;+1e-7]",
        "sim[sum+1e-7]",
        "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.2204e-16;constant=nan]",
    ),
    stretch="minmax-eps32",
    resize="bilinear-halfpixel",
    encoding="uint8",
    truth_encoding="uint8",
    negatives="none",
    negatives_note="sAUC is not scored",
    average="stimulus",
    frames=EVERY_FRAME,
    approximations=(
        "predictions and truth reach the original as frames of compressed video; here as 8-bit maps",
        "KLD is defined in its code but not reported",
        "a frame without fixations stops the original; here its areas and NSS are NaN",
    ),
    faults=(
        Fault(
            "AUC-J counts every tie against the prediction",
            "-0.002 on smooth 8-bit maps, -0.30 on sparse ones (0.329 for 0.631); a constant map scores 0.03",
        ),
        BONUS,
        Fault(
            "the number of distinct fixations is taken from unique columns of the list, which is 2 (or 1)",
            "about n / N of AUC-J; with duplicates more: 0.922 for 0.909",
        ),
        Fault("fixations on one pixel count as often as they come, in AUC-J and NSS", "NSS 1.811 for 1.732 (`dups`)"),
        Fault(
            "both maps are stretched to 0..1 before they become densities",
            "KLD 0.998 for 1.440 and SIM 0.416 for 0.289 with a floor of ten times the range",
        ),
        Fault("constants of 1e-7 are added to deviations and sums", "below 1e-6 on stretched maps"),
    ),
)

MSU_2 = replace(
    MSU_1,
    name="msu-2",
    summary="`msu-1` with the challenges' own order of frames, which mixes up the points of videos over 999 frames.",
    frame_order="text",
    approximations=(
        "predictions and truth in videos are read as the original's pictures; other maps pass through 8 bits",
        "KLD is defined in its code but not reported",
        "a frame without fixations stops the original; here its areas and NSS are NaN",
        "where points end before the video, the original scores as many pictures in the order of their names",
    ),
    faults=(
        *MSU_1.faults,
        Fault(
            "pictures are sorted by names of three digits as text, points by number: with 1,005 frames 905 maps are "
            "held against the points of another frame",
            "NSS and AUC-J of videos over 999 frames fall, CC and SIM do not move; none up to 999 frames",
        ),
    ),
)

TUEBINGEN_1 = Protocol(
    name="tuebingen-1",
    summary="The MIT/Tübingen Saliency Benchmark of today: exact areas, every fixation counted.",
    origin="matthias-k/saliency-benchmarking on pysaliency 0.2",
    metrics=labeled(
        "auc_judd[mw;pos=fixation_list;neg=all_pixels]",
        "shuffled_auc[mw;pos=fixation_list;neg=other_list]",
        "nss[ddof=0;pos=fixation_list]",
        "cc[pearson]",
        "sim[sum;constant=uniform]",
        "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.2204e-16]",
    ),
    resize="bilinear-halfpixel",
    log_ranks=True,
    negatives="others-list",
    negatives_note="every fixation of every other stimulus, duplicates kept, scaled to the frame",
    average="stimulus",
    frames=EVERY_FRAME,
    approximations=(
        "the benchmark refuses maps of another size; here they are resized linearly",
        "of a density the benchmark derives the best map for each metric; here all metrics read the density itself",
        "information gain is defined in this project but is not among the six scores",
    ),
    faults=(
        Fault(
            "the negatives of AUC-J are all pixels, fixated ones included",
            "towards 0.5 by n / N: 0.003 at 36 x 64, 0.00002 at 360 x 640",
        ),
        Fault(
            "fixations on one pixel count as often as they come: not a fault but a choice",
            "NSS 1.811 for 1.732 (`dups`); with 20 fixations on a frame of 360 x 640 usually none",
        ),
        Fault("a truth without mass stands for the uniform density", "SIM and KLD of such a frame are no measurement"),
    ),
)
