"""The protocols of this project, and the official evaluation of DHF1K."""

from __future__ import annotations

from .base import Fault, Protocol, labeled

EXACT_1 = Protocol(
    name="exact-1",
    summary="Exact, deterministic definitions: ROC areas with half ties, densities without stretching.",
    origin="this project",
    metrics=labeled(
        "auc_judd[mw;pos=fixated_pixels;neg=unfixated_pixels]",
        "shuffled_auc[mw;pos=fixated_pixels;neg=other_list]",
        "nss[ddof=0;pos=fixated_pixels]",
        "cc[pearson]",
        "sim[sum]",
        "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16]",
    ),
    resize="bilinear-halfpixel",
    log_ranks=True,
    negatives="others-list",
    negatives_note=(
        "every in-bounds point of every frame of every other stimulus of the release and split, duplicates kept and "
        "weighted, scaled to the frame; pixels fixated now are not removed"
    ),
    average="stimulus",
    frames="every annotated frame with at least one fixation",
)

DENSITY_1 = Protocol(
    name="density-1",
    summary="Information gain and log-likelihood of predicted densities, and the six scores as exact-1 has them.",
    origin="this project",
    metrics=labeled(
        "information_gain[logs;log2(p)-log2(b);pos=fixation_list]",
        "log_likelihood[logs;log2(p*N);pos=fixation_list]",
        *EXACT_1.metrics.values(),
    ),
    resize=EXACT_1.resize,
    log_ranks=EXACT_1.log_ranks,
    negatives=EXACT_1.negatives,
    negatives_note=EXACT_1.negatives_note,
    average=EXACT_1.average,
    frames=EXACT_1.frames,
    baseline="center-prior",
    approximations=(
        "a saliency map is no density: its IG and LL are undefined, its six other scores are those of exact-1",
        "a density that is 0 where somebody looked has an IG and LL of minus infinity; such frames are counted and the "
        "mean over them is not a number that could be reported",
    ),
)

DHF1K_1 = Protocol(
    name="dhf1k-1",
    summary="The official DHF1K (and MIT) MATLAB evaluation, its random parts in expectation.",
    origin="wenguanwang/DHF1K code_for_Metrics, a copy of cvzoya/saliency code_forMetrics",
    metrics=labeled(
        "auc_judd[trapz;jitter=expected]",
        "shuffled_auc[step=0.1;expected;thr=0..1.0]",
        "nss[ddof=1;pos=fixated_pixels]",
        "cc[pearson;constant=nan]",
        "sim[minmax;sum]",
        "kld[gt||pred;sum;log(eps+q/(p+eps));eps=2.220446049250313e-16;zero_sum=undivided]",
    ),
    resize="bicubic-antialias",
    encoding="uint8",
    truth_encoding="uint8",
    negatives="ten-frame-union",
    negatives_note=(
        "the union of the fixated pixels of 10 frames drawn from all annotated frames of the split, the frame's own "
        "video included, in expectation: each pixel weighs its probability to be in the union"
    ),
    average="frame",
    frames="every annotated frame with at least one fixation",
    approximations=(
        "jitter and random splits are computed in exact expectation",
        "the draw of the 10 frames enters through probabilities of pixels, not through each draw's own ratio: about "
        "0.004 of sAUC",
        "the original scores at most 50,000 frames drawn at random; here all of them count",
        "KLD is not among the five official scores; it is the formula of the same code base",
    ),
    faults=(
        Fault(
            "AUC-J joins ROC points at fixated values only by straight lines: a bonus of fp_n / (2 n), fp_n being the "
            "fraction of unfixated pixels above the lowest fixated value",
            "mean +0.073 with 3 fixations, +0.038 with 8, +0.022 with 15, +0.014 with 30, +0.005 with 100; chance is "
            "0.5 + 1 / (2 (n + 1))",
        ),
        Fault(
            "the jitter of 1e-7 is absolute and reorders densities and other maps of tiny values",
            "`tiny` 0.849 to 0.848; none in a run, whose maps have 256 levels (the expectation has no amplitude)",
        ),
        Fault(
            "sAUC looks at thresholds in steps of 0.1 of the stretched map",
            "mean -0.002 to -0.004 for 15 and more fixations; single frames up to 0.10 (3 fixations), 0.05 (15), "
            "0.02 (100); peaked maps fall into one bin",
        ),
        Fault(
            "the negatives of sAUC may come from the same video, even the same frame, and duplicates collapse",
            "up to 0.02 a frame against the list with duplicates; a union of very many frames saturates",
        ),
        Fault(
            "predictions pass through 8-bit maps; levels at 0.6 of the range miss their threshold (6 * 0.1 > 0.6)",
            "AUC at most 0.003 a frame on smooth maps; sparse maps lose their order below 1/255 of the peak",
        ),
        Fault(
            "SIM stretches both maps to 0..1 before it makes them densities",
            "an additive floor is forgiven: a floor of 10 % moves SIM by 0.01 to 0.035, at most 0.1",
        ),
        Fault(
            "constant maps give NaN or conventions, and NaN frames are dropped from the mean",
            "a model that sometimes predicts nothing is not punished in NSS, CC and sAUC",
        ),
        Fault("the mean is over frames: long videos weigh more", "depends on the split; compare both means of a run"),
    ),
)
