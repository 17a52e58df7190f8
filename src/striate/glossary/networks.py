"""Terms about layers and networks."""

from striate.glossary.base import Term, add

add(
    Term(
        "convolution",
        "A kernel that slides over the picture; at each place the values under it are multiplied by its weights and "
        "added up. What libraries call so is cross-correlation: the kernel is not turned.",
        equation="y[i, j] = sum_{u, v} x[i + u, j + v] * w[u, v] + b",
        shown_by="striate claims RUN --only sliding-window",
        related=("kernel", "feature map", "stride", "padding"),
        also=("convolution layer", "cross-correlation", "convolutional layer"),
    ),
    Term(
        "kernel",
        "The small array of weights that a convolution slides over the picture. The first ones that a network learns "
        "look like edges and blobs of colour.",
        shown_by="striate inside RUN PICTURE",
        related=("convolution", "feature map"),
        also=("filter",),
    ),
    Term(
        "feature map",
        "What one kernel gives at every place: a picture of where its pattern is. A layer has as many maps as kernels.",
        shown_by="striate inside RUN PICTURE",
        related=("kernel", "channel", "pooling"),
        also=("activation map",),
    ),
    Term(
        "channel",
        "One of the planes of a picture or of a layer: red, green, blue, or what one kernel found. A kernel sees all "
        "channels of what comes in.",
        shown_by="striate claims RUN --only single-channel",
        related=("feature map", "convolution"),
    ),
    Term(
        "stride",
        "How far the window moves from one place to the next. With a stride of 2 the map has half as many rows and "
        "columns.",
        shown_by="striate inside RUN PICTURE",
        related=("convolution", "pooling", "receptive field"),
    ),
    Term(
        "padding",
        "Values put around a map, mostly zeros, so that windows fit at its edges. Near the edge a network can tell by "
        "it where it is.",
        shown_by="striate claims RUN --only rotation",
        related=("convolution",),
    ),
    Term(
        "pooling",
        "Making a map smaller by keeping the largest or the mean of each small window. Taking the mean is a fixed "
        "convolution; taking the maximum is none.",
        equation="y[i, j] = max_{u, v} x[2i + u, 2j + v]",
        history="Fukushima 1980; subsampling with trained coefficients: LeCun et al. 1998.",
        shown_by="striate claims RUN --only pooling",
        related=("stride", "feature map", "equivariance"),
        also=("max pooling", "average pooling", "subsampling"),
    ),
    Term(
        "receptive field",
        "The part of the picture that a place of a feature map depends on. What it really uses, measured by gradients, "
        "is smaller than what it could see.",
        history="Of nerve cells: Sherrington 1906, Hubel and Wiesel 1959; effective: Luo et al. 2016.",
        shown_by="striate inside RUN PICTURE",
        related=("stride", "feature map"),
    ),
    Term(
        "fully connected layer",
        "A layer in which every neuron sees every value of the layer before. The last layer of a classifier is one.",
        equation="y = W x + b",
        shown_by="striate inside RUN PICTURE",
        related=("neuron", "head"),
        also=("linear layer", "dense layer", "fully connected"),
    ),
    Term(
        "batch normalisation",
        "Bringing each channel to mean 0 and spread 1 over the batch, then to a scale and shift that are learned. Deep "
        "networks train faster with it; when they answer, statistics of training are used.",
        equation="y = (x - mean) / sqrt(variance + e) * scale + shift",
        history="Ioffe and Szegedy, 2015.",
        shown_by="striate inside RUN PICTURE",
        related=("batch", "vanishing gradient"),
        also=("batch norm", "normalisation", "batchnorm", "batch normalization"),
    ),
    Term(
        "skip connection",
        "Adding what came into a block to what comes out, so that the block learns the difference. Gradients pass "
        "unhindered, and networks of a hundred layers can be trained.",
        equation="y = F(x) + x",
        history="He, Zhang, Ren and Sun, 2015.",
        shown_by="striate claims RUN --only famous-five",
        related=("ResNet", "vanishing gradient"),
        also=("residual connection", "shortcut", "resnet18", "resnet50"),
    ),
    Term(
        "backbone",
        "The part of a network that turns a picture into feature maps. Any network of the table can be one, for any "
        "task.",
        shown_by="striate nets",
        related=("head", "feature pyramid"),
    ),
    Term(
        "head",
        "The part of a network that turns feature maps into answers: scores, boxes or masks.",
        shown_by="striate train boxes/ --set network.head=fcos",
        related=("backbone",),
    ),
    Term(
        "feature pyramid",
        "Maps of several scales, each enriched with what the coarser ones found. Small objects are found in the fine "
        "ones, large ones in the coarse ones.",
        history="Lin et al., 2017.",
        related=("backbone", "object detection"),
    ),
    Term(
        "LeNet",
        "The network of 1998 that read cheques: two convolutions, two subsamplings, three layers. The modern form has "
        "ReLU, max pooling and softmax instead.",
        history="LeCun et al. 1989; LeNet-5: LeCun, Bottou, Bengio and Haffner 1998.",
        shown_by="striate train photos/ --net lenet5",
        related=("AlexNet", "convolutional neural network"),
        also=("LeNet-5", "lenet5"),
    ),
    Term(
        "AlexNet",
        "The network that won ImageNet's contest of 2012 by far: eight layers, ReLU, dropout, trained on two graphics "
        "cards. With it deep learning took over.",
        history="Krizhevsky, Sutskever and Hinton, 2012.",
        shown_by="striate train photos/ --net alexnet",
        related=("LeNet", "VGG", "ImageNet"),
    ),
    Term(
        "VGG",
        "Networks of 11 to 19 layers of 3 x 3 convolutions and nothing else. Simple, and heavy: most of their weights "
        "are in the fully connected layers.",
        history="Simonyan and Zisserman, 2014 (ICLR 2015).",
        shown_by="striate train photos/ --net vgg11_bn",
        related=("AlexNet", "GoogLeNet"),
    ),
    Term(
        "GoogLeNet",
        "Twenty-two layers of inception modules, each with kernels of several sizes side by side, and a twelfth of "
        "AlexNet's weights. Auxiliary classifiers help gradients on their way in training.",
        history="Szegedy et al., 2014 (CVPR 2015).",
        shown_by="striate train photos/ --net googlenet",
        related=("VGG", "ResNet"),
        also=("Inception",),
    ),
    Term(
        "ResNet",
        "Networks of 18 to 152 layers with skip connections, which deeper made better again. Still the usual backbone.",
        history="He, Zhang, Ren and Sun, 2015 (CVPR 2016).",
        shown_by="striate train photos/ --net resnet18",
        related=("skip connection", "GoogLeNet"),
        also=("residual network",),
    ),
    Term(
        "equivariance",
        "When the input moves, the output moves alike. Convolution is equivariant to shifts by whole strides, not to "
        "turns.",
        equation="f(T x) = T f(x)",
        shown_by="striate claims RUN --only rotation",
        related=("invariance", "convolution"),
        also=("translation invariance",),
    ),
    Term(
        "invariance",
        "When the input changes, the output stays. A classifier should be invariant to what does not matter; "
        "convolution layers alone are not invariant to turns.",
        equation="f(T x) = f(x)",
        shown_by="striate claims RUN --only rotation",
        related=("equivariance", "data augmentation"),
    ),
    Term(
        "linear probe",
        "A linear classifier on what a layer gives, to see what can be read off it. What a layer holds and what the "
        "network uses of it are two things.",
        history="Alain and Bengio, 2016.",
        shown_by="striate claims RUN --only edges-to-items",
        related=("feature map",),
    ),
    Term(
        "Grad-CAM",
        "A map of where a class score comes from: maps of a late layer, weighted by their mean gradients. Whether it "
        "means anything has to be checked.",
        history="Selvaraju et al., 2017.",
        shown_by="striate inside RUN PICTURE",
        related=("integrated gradients", "occlusion", "attribution"),
        also=("class activation map", "gradcam"),
    ),
    Term(
        "integrated gradients",
        "Gradients of a score added up on the way from a baseline picture to the picture. The parts add up to the "
        "difference of the scores.",
        history="Sundararajan, Taly and Yan, 2017.",
        shown_by="striate inside RUN PICTURE",
        related=("Grad-CAM", "attribution"),
    ),
    Term(
        "occlusion",
        "Covering a part of the picture and looking how much the score falls. Slow, but it asks the network itself.",
        history="Zeiler and Fergus, 2014.",
        shown_by="striate inside RUN PICTURE",
        related=("Grad-CAM", "attribution"),
    ),
    Term(
        "attribution",
        "Saying which parts of a picture an answer rests on. A map that stays the same with shuffled weights shows the "
        "picture, not the network.",
        history="Sanity checks: Adebayo et al., 2018.",
        shown_by="striate inside RUN PICTURE",
        related=("Grad-CAM", "integrated gradients", "occlusion"),
        also=("saliency", "explanation"),
    ),
    Term(
        "adversarial example",
        "A picture changed so little that nobody sees it, and yet answered wrongly. The change follows the gradient of "
        "the loss by the pixels.",
        history="Szegedy et al. 2013; FGSM: Goodfellow et al. 2014; PGD: Madry et al. 2017.",
        shown_by="striate claims RUN --only human-like",
        related=("gradient",),
        also=("FGSM", "PGD"),
    ),
    Term(
        "tensor",
        "An array of numbers with any number of axes. A batch of pictures has four: pictures, channels, rows and "
        "columns.",
        shown_by="striate inside RUN PICTURE",
        related=("channel", "batch"),
        also=("tensors",),
    ),
    Term(
        "flatten",
        "Writing feature maps as one long row of numbers, so that a fully connected layer can take them. Places "
        "become positions in the row.",
        shown_by="striate inside RUN PICTURE",
        related=("fully connected layer", "feature map"),
        also=("flattening",),
    ),
    Term(
        "weight sharing",
        "The same kernel is used at every place, so that a convolution has few weights and finds a thing wherever "
        "it lies. It is why convolution moves with the picture.",
        history="Fukushima 1980; with backpropagation LeCun et al. 1989.",
        shown_by="striate claims RUN --only rotation",
        related=("convolution", "equivariance"),
    ),
    Term(
        "1 x 1 convolution",
        "A kernel of a single place: it mixes channels and sees no neighbours. Networks change their number of "
        "channels with it.",
        history="Lin, Chen and Yan 2014; GoogLeNet 2014.",
        shown_by="striate nets",
        related=("kernel", "GoogLeNet"),
        also=("1x1 convolution", "pointwise convolution"),
    ),
    Term(
        "depthwise convolution",
        "A convolution in which every channel has a kernel of its own and none is mixed. With a 1 x 1 convolution "
        "after it, it costs a fraction of a full one.",
        history="Sifre 2014; MobileNet: Howard et al. 2017.",
        shown_by="striate inside RUN PICTURE",
        related=("convolution", "1 x 1 convolution"),
        also=("depthwise separable convolution",),
    ),
    Term(
        "dilated convolution",
        "A kernel whose taps lie apart, with gaps between them. It sees more without more weights or a coarser map.",
        history="Yu and Koltun 2016; DeepLab: Chen et al. 2017.",
        shown_by="striate nets",
        related=("receptive field", "stride"),
        also=("atrous convolution",),
    ),
    Term(
        "transposed convolution",
        "A convolution run backwards, which makes a map larger: every value spreads its kernel. Mask R-CNN draws "
        "its masks with one.",
        history="Zeiler, Krishnan, Taylor and Fergus 2010.",
        shown_by="striate nets",
        related=("convolution", "Mask R-CNN"),
        also=("deconvolution",),
    ),
    Term(
        "attention",
        "Weights that a network computes for its own values, so that each place takes from those that matter to it."
        " Transformers are built of it; CNNs look at fixed windows instead.",
        history="Bahdanau, Cho and Bengio 2015; transformers: Vaswani et al. 2017; for pictures Dosovitskiy et al. "
        "2021.",
        shown_by="striate nets",
        related=("convolution", "receptive field"),
        also=("transformer", "vision transformer"),
    ),
)
