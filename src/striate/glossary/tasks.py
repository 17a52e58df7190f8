"""Terms about tasks, measures and tools."""

from striate.glossary.base import Term, add

add(
    Term(
        "classification",
        "Which class a whole picture shows. With several labels a picture may show several.",
        shown_by="striate train photos/ --minutes 5",
        related=("object detection", "accuracy", "softmax"),
        also=("image classification", "class", "classes"),
    ),
    Term(
        "object detection",
        "Which objects a picture shows, and a box around each.",
        shown_by="striate data make digits boxes/ --task detect",
        related=("bounding box", "mean average precision", "non-maximum suppression"),
        also=("detection",),
    ),
    Term(
        "semantic segmentation",
        "The class of every pixel. Two objects of a class that touch are one region.",
        shown_by="striate data make digits masks/ --task segment",
        related=("instance segmentation", "mean IoU", "U-Net"),
        also=("segmentation",),
    ),
    Term(
        "instance segmentation",
        "The pixels of every single object. Touching cells are told apart.",
        shown_by="striate data make digits cells/ --task instances",
        related=("semantic segmentation", "Mask R-CNN", "panoptic quality"),
        also=("instances",),
    ),
    Term(
        "bounding box",
        "The smallest upright rectangle around an object. In Striate left, top, right, bottom in pixels, half-open.",
        shown_by="striate look boxes/",
        related=("object detection", "intersection over union"),
        also=("box",),
    ),
    Term(
        "mask",
        "A picture whose values say what each pixel shows: a class, or the number of an object.",
        shown_by="striate look masks/",
        related=("semantic segmentation", "instance segmentation", "void"),
    ),
    Term(
        "void",
        "Pixels of a mask of which nobody says what they show. They count neither way.",
        shown_by="striate look masks/",
        related=("mask",),
    ),
    Term(
        "intersection over union",
        "How well two regions agree: what they share over what they cover together. 1 is the same, 0 is apart.",
        equation="IoU = |A and B| / |A or B|",
        history="Jaccard, 1901.",
        shown_by="striate evaluate RUN",
        related=("mean IoU", "mean average precision", "Dice"),
        also=("IoU", "overlap", "Jaccard index"),
    ),
    Term(
        "mean IoU",
        "Intersection over union of each class's pixels, averaged over the classes. A class that is never found pulls "
        "it down, however rare it is.",
        shown_by="striate evaluate RUN",
        related=("intersection over union", "Dice", "semantic segmentation"),
        also=("mIoU",),
    ),
    Term(
        "Dice",
        "Twice what two regions share over the sum of their sizes. It is the F1 of pixels.",
        equation="Dice = 2 |A and B| / (|A| + |B|)",
        history="Dice 1945, Sørensen 1948.",
        shown_by="striate evaluate RUN",
        related=("intersection over union", "F1"),
    ),
    Term(
        "mean average precision",
        "The area under precision against recall, averaged over classes; mAP50 counts an object as found from an "
        "overlap of a half. mAP is the mean over overlaps from 0.5 to 0.95.",
        history="Pascal VOC 2007, COCO 2014.",
        shown_by="striate evaluate RUN",
        related=("precision", "recall", "intersection over union"),
        also=("mAP", "mAP50", "average precision"),
    ),
    Term(
        "panoptic quality",
        "How well objects are found and outlined in one figure: the mean overlap of found objects times an F1 of "
        "finding them.",
        history="Kirillov et al., 2019.",
        shown_by="striate evaluate RUN",
        related=("instance segmentation",),
    ),
    Term(
        "non-maximum suppression",
        "Of boxes that overlap by half or more and are of one class only the surest is kept. Those that overlap less "
        "may be the same object again or its neighbour: their scores fall with the overlap (soft suppression).",
        equation="score * exp(-sum over surer ones of overlap ** 2 / 0.5)",
        related=("object detection", "intersection over union"),
        also=("NMS",),
    ),
    Term(
        "tile",
        "A part of a large picture that the network sees at once. Tiles overlap, and an object on a seam counts once.",
        shown_by="striate predict RUN huge.tif",
        related=("object detection",),
        also=("tiling",),
    ),
    Term(
        "U-Net",
        "A head that goes from coarse maps back to fine ones, taking in the maps of the same size on the way. The "
        "usual one for masks.",
        history="Ronneberger, Fischer and Brox, 2015.",
        shown_by="striate train masks/ --set network.head=unet",
        related=("semantic segmentation", "skip connection"),
        also=("unet",),
    ),
    Term(
        "Mask R-CNN",
        "Proposes boxes, then gives each a class and a mask. Faster R-CNN is the same without masks.",
        history="Faster R-CNN: Ren et al. 2015; Mask R-CNN: He et al. 2017.",
        shown_by="striate train cells/ --set network.head=mask_rcnn",
        related=("instance segmentation", "object detection"),
        also=("Faster R-CNN",),
    ),
    Term(
        "metric",
        "A number that says how good answers are, in terms that people care about. Every one has an interval here.",
        shown_by="striate evaluate RUN",
        related=("loss", "accuracy", "confidence interval"),
    ),
    Term(
        "accuracy",
        "The share of pictures that are answered rightly. On rare classes it deceives: never finding a disease of one "
        "in a hundred is right 99 times.",
        shown_by="striate evaluate RUN",
        related=("balanced accuracy", "baseline", "confusion matrix"),
    ),
    Term(
        "balanced accuracy",
        "The share answered rightly, class by class, then averaged. Rare classes count as much as common ones.",
        shown_by="striate evaluate RUN",
        related=("accuracy", "recall"),
    ),
    Term(
        "precision",
        "Of what was called so, the share that is so.",
        equation="precision = true positives / (true positives + false positives)",
        shown_by="striate evaluate RUN",
        related=("recall", "F1"),
    ),
    Term(
        "recall",
        "Of what is so, the share that was called so. Doctors call it sensitivity.",
        equation="recall = true positives / (true positives + false negatives)",
        shown_by="striate evaluate RUN",
        related=("precision", "F1"),
        also=("sensitivity",),
    ),
    Term(
        "F1",
        "The harmonic mean of precision and recall: high only where both are.",
        equation="F1 = 2 * precision * recall / (precision + recall)",
        shown_by="striate evaluate RUN",
        related=("precision", "recall", "Dice"),
        also=("F1 score",),
    ),
    Term(
        "AUROC",
        "How likely a picture of a class gets a higher score than one of another: 0.5 is chance, 1 is perfect. It "
        "needs no threshold.",
        history="Receiver operating characteristics come from radar, about 1950.",
        shown_by="striate evaluate RUN",
        related=("recall", "precision"),
        also=("AUC", "ROC"),
    ),
    Term(
        "confusion matrix",
        "A table of true classes against answers. What is off the diagonal says which classes are taken for each "
        "other.",
        shown_by="striate evaluate RUN",
        related=("accuracy",),
    ),
    Term(
        "calibration",
        "Whether scores mean what they say: of answers with a score of 0.8, are eight in ten right? Large networks "
        "tend to be surer than they should.",
        history="Guo, Pleiss, Sun and Weinberger, 2017.",
        shown_by="striate evaluate RUN",
        related=("softmax", "label smoothing"),
        also=("calibration error",),
    ),
    Term(
        "confidence interval",
        "The range in which a figure would lie in 95 of 100 repetitions with other pictures. Striate draws pictures "
        "again with replacement to find it (bootstrap).",
        history="Neyman 1937; bootstrap: Efron 1979.",
        shown_by="striate evaluate RUN",
        related=("metric",),
        also=("interval", "bootstrap"),
    ),
    Term(
        "recipe",
        "Every choice of a run in one file that can be read and changed. What you do not choose is chosen for you, and "
        "stands there too.",
        shown_by="striate train photos/ --recipe recipe.yaml",
        related=("training",),
    ),
    Term(
        "PyTorch",
        "The library on which Striate runs: arrays, automatic differentiation, layers, on CPUs and GPUs.",
        history="Paszke et al., 2016 (paper 2019); after Torch, 2002.",
        shown_by="striate doctor",
        related=("TensorFlow", "Keras"),
        also=("torch",),
    ),
    Term(
        "Keras",
        "A library in which networks are written layer by layer; since its version 3 it runs on TensorFlow, JAX and "
        "PyTorch.",
        history="Chollet, 2015; Keras 3 in 2023.",
        related=("TensorFlow", "PyTorch"),
    ),
    Term(
        "TensorFlow",
        "Google's library for machine learning, common on phones and servers.",
        history="Abadi et al., 2015.",
        related=("Keras", "PyTorch"),
    ),
    Term(
        "GPU",
        "A processor with thousands of small cores, made for graphics, on which networks train ten to a hundred times "
        "faster than on a CPU.",
        shown_by="striate doctor",
        related=("precision of numbers",),
    ),
    Term(
        "precision of numbers",
        "How many bits a number has: float32, or bfloat16 with half of them, which processors that multiply it "
        "natively do several times faster.",
        shown_by="striate train photos/ --precision bf16",
        related=("GPU",),
        also=("bfloat16", "bf16", "float32", "fp32"),
    ),
    Term(
        "specificity",
        "The share of the pictures without a class that are not given it. For a disease it says how many of the "
        "healthy are left in peace; recall says how many of the ill are found.",
        equation="TN / (TN + FP)",
        shown_by="striate evaluate RUN",
        related=("recall", "AUROC"),
        also=("true negative rate",),
    ),
)
