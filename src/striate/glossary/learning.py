"""Terms about learning."""

from striate.glossary.base import Term, add

add(
    Term(
        "artificial intelligence",
        "Machines doing what would be called intelligent if people did it. The word covers rules written by hand as "
        "well as machine learning.",
        history="Named by McCarthy, Minsky, Rochester and Shannon in the proposal of 1955 for the Dartmouth workshop "
        "of 1956.",
        related=("machine learning",),
        also=("AI",),
    ),
    Term(
        "machine learning",
        "Programs whose behaviour is fitted to examples instead of being written down. What was fitted is judged on "
        "examples that took no part in the fitting.",
        history="The word is from Arthur Samuel, 1959, about a program that learned checkers.",
        shown_by="striate train photos/ --minutes 5",
        related=("artificial intelligence", "deep learning", "training"),
    ),
    Term(
        "deep learning",
        "Machine learning with neural networks of many layers, which learn their own features from raw values. Before, "
        "features were designed by hand and only the last step was learned.",
        history="Layered learning goes back to Ivakhnenko and Lapa, 1965; the wave of today began with AlexNet in "
        "2012.",
        related=("machine learning", "neural network", "feature map"),
    ),
    Term(
        "neural network",
        "Neurons in layers, each adding up what the layer before says, weighted, and passing the sum through an "
        "activation function. The weights are learned.",
        history="McCulloch and Pitts 1943 (the neuron as a threshold), Rosenblatt's perceptron 1958.",
        shown_by="striate inside RUN PICTURE",
        related=("neuron", "activation function", "convolutional neural network"),
    ),
    Term(
        "convolutional neural network",
        "A neural network whose first layers are convolutions: neurons that see a small window and share their weights "
        "over all places of the picture. So it needs few weights and finds things wherever they are.",
        history="Fukushima's neocognitron 1980; trained by backpropagation by LeCun et al. 1989; after what Hubel and "
        "Wiesel found in the striate cortex of cats in 1959.",
        shown_by="striate nets",
        related=("convolution", "pooling", "LeNet"),
        also=("CNN", "convnet"),
    ),
    Term(
        "neuron",
        "A sum of values, each times a weight, plus a bias, passed through an activation function. A feature map is "
        "one neuron repeated at every place.",
        equation="y = f(v1*w1 + v2*w2 + ... + b)",
        history="McCulloch and Pitts, 1943.",
        shown_by="striate inside RUN PICTURE --layer NAME --unit 0 --at 10,12",
        related=("weight", "bias", "activation function"),
        also=("unit",),
    ),
    Term(
        "weight",
        "The number with which a neuron multiplies one of its values. Training changes weights and nothing else.",
        shown_by="striate inside RUN PICTURE",
        related=("neuron", "bias", "training"),
        also=("parameter",),
    ),
    Term(
        "bias",
        "The number that a neuron adds to its sum, whatever it sees. It moves the point at which the neuron begins to "
        "answer.",
        equation="y = f(w*v + b)",
        shown_by="striate inside RUN PICTURE",
        related=("neuron", "weight"),
    ),
    Term(
        "activation function",
        "What a neuron does to its sum, a curve that is not a straight line. Without it any number of layers would be "
        "one single matrix.",
        equation="y = f(sum)",
        shown_by="striate claims RUN --only activation",
        related=("sigmoid", "tanh", "ReLU", "softmax"),
        also=("activation", "nonlinearity"),
    ),
    Term(
        "sigmoid",
        "An activation function that squeezes every number into 0 to 1. Far from zero it is flat, so that hardly any "
        "gradient comes back through it.",
        equation="f(x) = 1 / (1 + exp(-x))",
        history="The logistic curve is from Verhulst, 1845.",
        shown_by="striate claims RUN --only bounds",
        related=("activation function", "tanh", "vanishing gradient"),
    ),
    Term(
        "tanh",
        "An activation function that squeezes every number into -1 to 1. It is a sigmoid stretched around zero.",
        equation="f(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))",
        shown_by="striate claims RUN --only bounds",
        related=("activation function", "sigmoid"),
        also=("hyperbolic tangent",),
    ),
    Term(
        "ReLU",
        "An activation function that cuts off what is negative and leaves the rest as it is. Its slope is 1 where it "
        "lets through, so gradients survive many layers; a unit that is always negative is dead.",
        equation="f(x) = max(0, x)",
        history="Fukushima 1969; made usual by Nair and Hinton 2010 and AlexNet 2012.",
        shown_by="striate claims RUN --only bounds",
        related=("activation function", "dead unit"),
        also=("rectified linear unit",),
    ),
    Term(
        "softmax",
        "Turns scores of classes into shares that add up to 1. The largest score gets the largest share, and "
        "differences count, not the scores themselves.",
        equation="p_k = exp(s_k) / sum_j exp(s_j)",
        history="Boltzmann 1868 in physics; the name is from Bridle, 1990.",
        shown_by="striate inside RUN PICTURE",
        related=("classification", "cross-entropy"),
    ),
    Term(
        "dead unit",
        "A unit that gives the same value whatever it sees, as a ReLU that is never above zero. No gradient comes back "
        "through it, so it does not learn any more.",
        shown_by="striate claims RUN --only bounds",
        related=("ReLU", "gradient"),
    ),
    Term(
        "forward propagation",
        "A picture's values going through the layers, one after the other, to the answer. It is all that happens when "
        "a trained network is asked.",
        shown_by="striate predict RUN PICTURE",
        related=("backpropagation", "inference"),
        also=("forward pass",),
    ),
    Term(
        "backpropagation",
        "The chain rule applied from the loss back through the layers, which gives the gradient of every weight in one "
        "pass. It costs about twice as much as going forward.",
        equation="dL/dw = dL/dy * dy/dsum * dsum/dw",
        history="Linnainmaa 1970 (automatic differentiation), Werbos 1974, Rumelhart, Hinton and Williams 1986.",
        shown_by="striate inside RUN PICTURE",
        related=("gradient", "gradient descent", "forward propagation"),
        also=("back propagation", "backward propagation", "backward pass"),
    ),
    Term(
        "gradient",
        "How the loss changes with each weight: its direction is uphill. Training goes the other way.",
        equation="g = dL/dw",
        shown_by="striate inside RUN PICTURE",
        related=("backpropagation", "gradient descent", "vanishing gradient"),
    ),
    Term(
        "gradient descent",
        "Changing every weight a little against its gradient, again and again. Stochastic gradient descent takes the "
        "gradient of a few pictures at a time.",
        equation="w <- w - rate * dL/dw",
        history="Cauchy 1847; stochastic: Robbins and Monro 1951.",
        shown_by="striate inside RUN PICTURE",
        related=("learning rate", "optimizer", "batch"),
        also=("SGD", "stochastic gradient descent"),
    ),
    Term(
        "vanishing gradient",
        "Gradients that get smaller from layer to layer on their way back, until the first layers hardly learn. Flat "
        "activation functions cause it; ReLU, normalisation and skip connections are remedies.",
        history="Hochreiter, 1991.",
        shown_by="striate claims RUN --only bounds",
        related=("sigmoid", "skip connection", "batch normalisation"),
    ),
    Term(
        "loss",
        "A number that says how wrong an answer is, and whose gradient can be taken. Training makes it small; what "
        "people care about is a metric.",
        shown_by="striate train photos/ --minutes 5",
        related=("cross-entropy", "metric"),
        also=("loss function", "objective"),
    ),
    Term(
        "cross-entropy",
        "The loss of classification: minus the logarithm of the share that the true class got. Being sure and wrong "
        "costs most.",
        equation="L = -log p_true",
        shown_by="striate inside RUN PICTURE",
        related=("loss", "softmax", "label smoothing"),
    ),
    Term(
        "training",
        "Fitting a network's weights to pictures whose answers are known. What counts is how it answers on pictures "
        "that it has not seen.",
        shown_by="striate train photos/ --minutes 5",
        related=("epoch", "validation split", "overfitting"),
    ),
    Term(
        "inference",
        "Asking a trained network. Nothing is learned then.",
        shown_by="striate predict RUN PICTURE",
        related=("forward propagation", "training"),
    ),
    Term(
        "epoch",
        "One pass over all training pictures, in a new random order. Where a pass takes long, Striate counts a part of "
        "it.",
        shown_by="striate train photos/ --epochs 10",
        related=("batch", "training"),
    ),
    Term(
        "batch",
        "The pictures that one step of training looks at together. Larger ones give steadier gradients and take more "
        "memory.",
        shown_by="striate train photos/ --set optimisation.batch_size=32",
        related=("epoch", "gradient descent", "batch normalisation"),
        also=("mini-batch", "batch size"),
    ),
    Term(
        "learning rate",
        "How large a step gradient descent takes. Too large and the loss rises, too small and nothing is learned in "
        "the time.",
        shown_by="striate train photos/ --set optimisation.learning_rate=0.001",
        related=("optimizer", "schedule"),
    ),
    Term(
        "schedule",
        "How the learning rate changes over a run: a rise, then a fall to nothing. Large steps find a good region, "
        "small ones settle in it.",
        history="One cycle: Smith 2018; cosine: Loshchilov and Hutter 2017.",
        shown_by="striate train photos/ --set optimisation.schedule=cosine",
        related=("learning rate",),
    ),
    Term(
        "optimizer",
        "The rule that turns gradients into changes of weights. Adam gives each weight a step of its own size by the "
        "history of its gradients.",
        history="Adam: Kingma and Ba 2015; AdamW: Loshchilov and Hutter 2019.",
        shown_by="striate train photos/ --set optimisation.optimizer=sgd",
        related=("gradient descent", "learning rate", "weight decay"),
        also=("optimiser", "Adam", "AdamW"),
    ),
    Term(
        "weight decay",
        "Shrinking every weight a little in every step. It keeps a network from relying on few large weights.",
        equation="w <- w - rate * decay * w",
        shown_by="striate train photos/ --set optimisation.weight_decay=0.05",
        related=("overfitting", "regularisation"),
        also=(
            "L2",
            "L2 regularisation",
        ),
    ),
    Term(
        "regularisation",
        "Whatever keeps a network from learning its training pictures by heart: augmentation, dropout, weight decay, "
        "early stopping. It costs a little on training pictures and gains on new ones.",
        related=("overfitting", "data augmentation", "dropout"),
        also=("regularization",),
    ),
    Term(
        "dropout",
        "Leaving out units at random in every training step, so that none relies on another. It is off when the "
        "network answers.",
        history="Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, 2014; in AlexNet in 2012.",
        shown_by="striate train photos/ --set network.dropout=0.5",
        related=("regularisation", "AlexNet"),
    ),
    Term(
        "data augmentation",
        "Changing training pictures at random in ways that keep their meaning: mirroring, turning, zooming, "
        "brightness. The network sees more than there is.",
        shown_by="striate train photos/ --set augmentation.mirror=0.5",
        related=("regularisation", "mixup"),
        also=("augmentation",),
    ),
    Term(
        "mixup",
        "Training on mixtures of two pictures with their answers mixed alike. CutMix pastes a piece of one into the "
        "other instead.",
        history="Zhang, Cisse, Dauphin and Lopez-Paz 2018; CutMix: Yun et al. 2019.",
        shown_by="striate train photos/ --set augmentation.mixup=0.2",
        related=("data augmentation",),
        also=("cutmix",),
    ),
    Term(
        "label smoothing",
        "Asking for a little less than certainty: the true class gets 0.95 instead of 1. It keeps scores honest.",
        history="Szegedy et al. 2016.",
        shown_by="striate train photos/ --set optimisation.label_smoothing=0.1",
        related=("cross-entropy", "calibration"),
    ),
    Term(
        "overfitting",
        "Learning training pictures by heart: good on them and clearly worse on new ones. More pictures, augmentation "
        "and smaller networks help.",
        shown_by="striate claims RUN --only fitting",
        related=("underfitting", "validation split", "verdict"),
    ),
    Term(
        "underfitting",
        "Not having learned even the training pictures: poor on them and on new ones alike. More time, a larger "
        "network or pretrained weights help.",
        shown_by="striate claims RUN --only fitting",
        related=("overfitting", "verdict"),
    ),
    Term(
        "verdict",
        "What Striate says about a run: underfit, overfit, balanced or too early to tell, with the numbers it rests "
        "on. Advice follows in the order of expected gain.",
        shown_by="striate train photos/ --minutes 5",
        related=("overfitting", "underfitting", "baseline"),
    ),
    Term(
        "training split",
        "The pictures whose answers the network learns from. Figures on them say how well it learned, not how good it "
        "is.",
        shown_by="striate look photos/",
        related=("validation split", "test split"),
        also=("training set",),
    ),
    Term(
        "validation split",
        "Pictures that take no part in training and by which choices are made: which weights to keep, when to stop. "
        "Since choices were made by them, figures on them are a little too good.",
        shown_by="striate look photos/",
        related=("training split", "test split"),
        also=("validation set",),
    ),
    Term(
        "test split",
        "Pictures that are looked at once, at the end. Only figures on them say how good a network is.",
        shown_by="striate evaluate RUN",
        related=("validation split", "leakage"),
        also=("test set",),
    ),
    Term(
        "leakage",
        "The same picture, or nearly the same, in two splits. Figures are then too good, because the network has seen "
        "what it is asked.",
        shown_by="striate look photos/",
        related=("test split",),
    ),
    Term(
        "baseline",
        "What an answer reaches that never looks at the picture: the commonest class, the mean box, all background. A "
        "network must be clearly better.",
        shown_by="striate evaluate RUN",
        related=("verdict", "accuracy"),
    ),
    Term(
        "transfer learning",
        "Starting from weights that were learned on other pictures, mostly a million photographs. Features carry over, "
        "so far fewer pictures are needed.",
        history="Yosinski, Clune, Bengio and Lipson, 2014, measured how well.",
        shown_by="striate train photos/ --weights auto",
        related=("ImageNet", "pretrained weights"),
        also=("fine-tuning",),
    ),
    Term(
        "pretrained weights",
        "Weights that somebody trained before on other pictures. EfficientNet-Lite0's come with Striate.",
        shown_by="striate train photos/ --weights auto",
        related=("transfer learning",),
    ),
    Term(
        "ImageNet",
        "1.28 million photographs of 1,000 classes, on which networks have been compared since 2010. Most pretrained "
        "weights come from it.",
        history="Deng et al. 2009; Russakovsky et al. 2015.",
        shown_by="striate nets",
        related=("transfer learning", "AlexNet"),
    ),
    Term(
        "logits",
        "The class scores before softmax: any numbers, of which only the differences count. Softmax turns them into"
        " shares that sum to 1.",
        equation="softmax(z)_k = exp(z_k) / sum_j exp(z_j)",
        shown_by="striate inside RUN PICTURE",
        related=("softmax", "cross-entropy"),
        also=("logit", "scores"),
    ),
    Term(
        "momentum",
        "A step that goes on in the direction of earlier steps, which evens out what single batches want. AdamW "
        "keeps such a mean as well, and one of squares.",
        equation="v <- m*v + gradient;  w <- w - rate*v",
        history="Polyak 1964.",
        shown_by="striate train photos/ --set optimisation.optimizer=sgd",
        related=("gradient descent", "optimizer"),
    ),
    Term(
        "early stopping",
        "Ending training when validation has not improved for a while. Striate keeps the weights of the best epoch "
        "in any case.",
        history="Known since the 1980s; Prechelt 1998 compared rules for it.",
        shown_by="striate train photos/ --set optimisation.patience=5",
        related=("overfitting", "validation split"),
    ),
    Term(
        "hyperparameter",
        "A choice that training does not learn: network, learning rate, augmentation, input size. In Striate they "
        "are the fields of the recipe.",
        shown_by="striate train photos/ --set optimisation.learning_rate=0.001",
        related=("recipe", "learning rate"),
    ),
    Term(
        "one-hot encoding",
        "A class written as a row of zeros with a one at its place. The cross-entropy compares it with the shares "
        "that softmax gives.",
        shown_by="striate inside RUN PICTURE",
        related=("cross-entropy", "label smoothing"),
        also=("one-hot",),
    ),
    Term(
        "perceptron",
        "One layer of weighted sums with a threshold, learned from examples; the ancestor of the neuron. It cannot "
        "learn what no straight line separates, parity for one.",
        history="Rosenblatt 1958; its limits: Minsky and Papert 1969.",
        shown_by="striate claims RUN --only activation",
        related=("neuron", "activation function"),
    ),
    Term(
        "generalisation",
        "Being right on pictures that took no part in training. It is what the test split measures, and what "
        "overfitting lacks.",
        shown_by="striate evaluate RUN",
        related=("overfitting", "test split"),
        also=("generalization",),
    ),
)
