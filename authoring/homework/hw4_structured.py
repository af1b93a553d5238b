# %% [markdown]
# # Homework 4 · Codes that know what they are about
#
# *How do you prove that a network uses what you tell it, and that its codes say what you hope they say?*
#
# **You will** tell a VAE the class ([lecture 07](../../lectures/07_structured.ipynb)) and show that it listens, add a
# classifier as a third loss, and score codes by a probe, by clusters and axis by axis
# ([lecture 08](../../lectures/08_latent_spaces.ipynb)).
#
# | points | run all, 2 cores | hand in |
# |---|---|---|
# | 50 | under a minute | this notebook |
#
# Write where it says `YOUR CODE HERE`, and delete the line that raises. Below each question, one test says what is
# expected; another one, which you cannot read, tries other sizes, seeds and images. The cells that start with *See it*
# give no points. Before you hand in: *Kernel*, *Restart kernel and run all cells*, or
# `./course homework check hw4_structured`.

# %% locked="setup"
from helpers import figures
from helpers.data import digits
from helpers.grading import checks, samples
from helpers.models.variational import VAE, ConditionalVAE, Sampling, build_dense_parts
from helpers.tables import Table
from helpers.training import seed_everything

import keras
import numpy as np
from keras import layers, ops
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score, silhouette_score

seed_everything(0)

# %% [markdown]
# ## 1 · Put a label beside numbers
#
# A label becomes `num_classes` numbers of which one is 1, and stands behind the numbers that it belongs to.


# %% solution="attach"
def attach(numbers, labels, num_classes):
    """Put one-hot labels behind numbers.

    Args:
        numbers: float tensor, (batch, n); also a `keras.KerasTensor`, while a model is being built.
        labels: integer tensor, (batch,), from 0 to num_classes - 1.
        num_classes: how many classes there are.

    Returns:
        A float tensor, (batch, n + num_classes).
    """
    ### BEGIN SOLUTION
    return layers.Concatenate()([numbers, ops.one_hot(labels, num_classes)])
    ### END SOLUTION


# %% test="attach_by_hand" points=2
read = "lecture 07, Tell it the label"
found = attach(np.array([[0.5, -2.0], [7.0, 8.0]], "float32"), np.array([2, 0]), 3)
checks.close("[[0.5, -2], [7, 8]] with the labels 2 and 0", found, [[0.5, -2, 0, 0, 1], [7, 8, 1, 0, 0]], read=read)

# %% hidden="attach_in_a_model" points=3
# Other sizes, and inside of a model that is being built.
read = "lecture 07, Tell it the label"
numbers, labels = keras.Input((4,)), keras.Input((), dtype="int32")
found = keras.Model([numbers, labels], attach(numbers, labels, 6))([np.zeros((2, 4), "float32"), np.array([5, 1])])
checks.close("zeros with the labels 5 and 1 of 6", found, np.eye(10)[[9, 5]], read=read)

# %% [markdown]
# ## 2 · Tell both parts
#
# When you generate, there is no image and no encoder: only the decoder can obey. And an encoder that is told the class
# need not spend its code on it.


# %% solution="parts"
def build_conditional_parts(latent_dim, num_classes, input_shape, hidden):
    """Build encoder and decoder of a conditional VAE, with one hidden ReLU layer each.

    Args:
        latent_dim: numbers in a code.
        num_classes: how many classes there are.
        input_shape: (rows, columns, bands).
        hidden: width of the hidden layers.

    Returns:
        encoder: a `keras.Model` with `name="encoder"`, [images, labels] -> [z_mean, z_log_var, z]. The labels stand
            behind the pixels, before the hidden layer. The heads have no activation; z is `Sampling()` of the two.
        decoder: a `keras.Model` with `name="decoder"`, [z, labels] -> (batch, *input_shape), values in [0, 1]. The
            labels stand behind the code, before the hidden layer.
    """
    ### BEGIN SOLUTION
    images, label = keras.Input(input_shape), keras.Input((), dtype="int32")
    x = attach(layers.Flatten()(images), label, num_classes)
    x = layers.Dense(hidden, activation="relu")(x)
    z_mean, z_log_var = layers.Dense(latent_dim)(x), layers.Dense(latent_dim)(x)
    outputs = [z_mean, z_log_var, Sampling()((z_mean, z_log_var))]
    encoder = keras.Model([images, label], outputs, name="encoder")
    codes, wanted = keras.Input((latent_dim,)), keras.Input((), dtype="int32")
    x = layers.Dense(hidden, activation="relu")(attach(codes, wanted, num_classes))
    x = layers.Dense(int(np.prod(input_shape)), activation="sigmoid")(x)
    return encoder, keras.Model([codes, wanted], layers.Reshape(input_shape)(x), name="decoder")
    ### END SOLUTION


# %% test="parts_shapes" points=3
read = "lecture 07, Tell it the label"
encoder, decoder = build_conditional_parts(2, 10, (28, 28, 1), 32)
labels = np.array([3, 4, 5])
outputs = encoder([np.zeros((3, 28, 28, 1), "float32"), labels])
checks.same("outputs of the encoder", len(outputs), 3, read=read)
for name, output in zip(("z_mean", "z_log_var", "z"), outputs):
    checks.shape(f"{name} of 3 images", output, (3, 2), read=read)
checks.shape("3 decoded codes", decoder([np.zeros((3, 2), "float32"), labels]), (3, 28, 28, 1), read=read)
checks.same("names", [encoder.name, decoder.name], ["encoder", "decoder"], read=read)

# %% hidden="parts_listen" points=3
# Other sizes, the number of weights, and that another label changes what each part gives.
for latent_dim, num_classes, shape, hidden in ((3, 4, (8, 8, 1), 20), (5, 10, (4, 6, 2), 16)):
    read = f"lecture 07, Tell it the label, for num_classes={num_classes}"
    checks.seed(21)
    encoder, decoder = build_conditional_parts(latent_dim, num_classes, shape, hidden)
    images, codes = np.ones((2, *shape), "float32"), np.ones((2, latent_dim), "float32")
    z_mean = np.asarray(encoder([images, np.array([0, 1])])[0])
    decoded = np.asarray(decoder([codes, np.array([0, 1])]))
    pixels = int(np.prod(shape))
    weights = (pixels + num_classes + 1) * hidden + 2 * (hidden + 1) * latent_dim
    checks.parameters("the encoder", encoder, weights, read=read)
    weights = (latent_dim + num_classes + 1) * hidden + (hidden + 1) * pixels
    checks.parameters("the decoder", decoder, weights, read=read)
    checks.differ("z_mean of one image with two labels", z_mean[0], z_mean[1], read=read)
    checks.differ("one code, decoded with two labels", decoded[0], decoded[1], read=read)

# %% hidden="parts_sample" points=2
# That z is drawn around z_mean with the variance of z_log_var, what the hidden layers take in, what the activations are,
# and that all weights are trained.
read = "lecture 06, A cloud instead of a point: z is a sample, and z_mean is its mean"
random = np.random.default_rng(checks.seed(23))
encoder, decoder = build_conditional_parts(4, 3, (6, 6, 1), 24)
images, labels = random.normal(size=(500, 6, 6, 1)).astype("float32"), np.arange(500) % 3
z_mean, z_log_var, z = encoder([images, labels])
checks.sampled("z", z, z_mean, z_log_var, read=read)
read = "lecture 07, Tell it the label; question 2: one hidden ReLU layer each"
checks.rectified("the encoder", encoder, [images, labels], read=read)
codes = [random.normal(size=(500, 4)).astype("float32"), labels]
checks.rectified("the decoder", decoder, codes, read=read)
for what, half, inputs in (("pixels", encoder, [images, labels]), ("numbers of the code", decoder, codes)):
    given = inputs[0].reshape(500, -1)
    taken = checks.taken_in(half, inputs)  # with labels, wherever question 1 puts them
    parts = (taken[:, : given.shape[1]], taken[:, -given.shape[1] :])
    nearest = min(parts, key=lambda part: np.abs(part - given).max())
    checks.close(f"the {what} that the hidden layer takes in", nearest, given, read=read)
checks.close("pixels while it is trained", decoder(codes, training=True), decoder(codes), read=read)
for name, head in zip(("z_mean", "z_log_var"), encoder([10_000 * images, labels])):
    far = [float(np.min(head)), float(np.max(head))]
    expected = "no activation: huge pixels lead far below 0 and far above"
    checks.holds(name, far[0] < -20 and far[1] > 20, expected=expected, got=f"{far}", read=read)
classes, ink = ops.convert_to_tensor(labels), ops.sigmoid(images)
loss = lambda: ops.sum(ops.binary_crossentropy(ink, decoder([encoder([ink, classes])[2], classes])))
checks.trains_everywhere("the encoder", encoder, loss, read=read)
checks.trains_everywhere("the decoder", decoder, loss, read=read)
pixels = np.asarray(decoder(codes))
checks.within("pixels", pixels, 0, 1, read=read)
logits = np.log(pixels / (1 - pixels))
times = 2.5 / np.abs(logits).max()
for weight in checks.called(decoder, codes)[-1].weights:
    weight.assign(times * weight)
what = "pixels, where the last weights are larger"
checks.close(what, decoder(codes), 1 / (1 + np.exp(-times * logits)), atol=1e-3, read=read)

# %% hidden="parts_obey" points=3
# That a trained network draws the class that it is asked for.
read = "lecture 07, Tell it the label: only the decoder can obey"
images, labels = samples.labelled_digits(1400, seed=checks.seed(22))
encoder, decoder = build_conditional_parts(4, 10, (8, 8, 1), 48)
told, asked = ([keras.Input(shape), keras.Input((), dtype="int32")] for shape in ((8, 8, 1), (4,)))
encoder = keras.Model(told, list(encoder(told)), name="encoder")  # whatever kind of model it is
vae = ConditionalVAE(encoder, keras.Model(asked, decoder(asked), name="decoder"))  # our training
vae.compile(keras.optimizers.Adam(0.005))
vae.fit([images, labels], batch_size=64, epochs=8, verbose=0)
wanted = np.arange(10).repeat(10)
drawn = vae.generate(wanted, seed=1)
reader = LogisticRegression(max_iter=300).fit(images.reshape(-1, 64), labels)
share = reader.score(drawn.reshape(-1, 64), wanted)
checks.at_least("share of drawn digits that are read as asked for", share, 0.36, read=read)

# %% [markdown]
# ## 3 · Keep the style, change the class
#
# The code of a conditional VAE holds the rest: slant, width, weight of the pen. Draw every class in the hand of one
# image.


# %% solution="restyle"
def restyle(encoder, decoder, image, label, num_classes):
    """Draw all classes in the style of one image.

    Args:
        encoder: [images, labels] -> [z_mean, z_log_var, z].
        decoder: [z, labels] -> images.
        image: float32, (rows, columns, bands).
        label: its class, a whole number.
        num_classes: how many classes there are.

    Returns:
        float array of NumPy, (num_classes, rows, columns, bands): the *mean* of the image's code, encoded with its own
        label, decoded with the labels 0, 1, …
    """
    ### BEGIN SOLUTION
    z_mean, _, _ = encoder([image[np.newaxis], np.array([label])])
    codes = np.repeat(np.asarray(z_mean), num_classes, axis=0)
    return ops.convert_to_numpy(decoder([codes, np.arange(num_classes)]))
    ### END SOLUTION


# %% test="restyle_shapes" points=3
read = "lecture 07, Tell it the label"
encoder, decoder = build_dense_parts(3, num_classes=10, input_shape=(8, 8, 1))  # our parts
image = samples.digits(1, seed=checks.seed(31))[0]
drawn = restyle(encoder, decoder, image, 4, 10)
checks.shape("ten classes in one style", drawn, (10, 8, 8, 1), read=read)
checks.differ("class 0 and class 1", np.asarray(drawn)[0], np.asarray(drawn)[1], read=read)

# %% hidden="restyle_values" points=4
# Which code is decoded with which labels.
read = "lecture 07, Tell it the label: encode with the image's own label, decode its mean"
encoder, decoder = build_dense_parts(3, num_classes=6, input_shape=(8, 8, 1))
for layer in encoder.layers:
    layer.set_weights([3 * weight for weight in layer.get_weights()])  # so that labels matter more
image = samples.digits(1, seed=checks.seed(32))[0]
for label in (1, 5):
    z_mean = np.asarray(encoder([image[np.newaxis], np.array([label])])[0])
    wanted = np.concatenate([np.asarray(decoder([z_mean, np.array([k])])) for k in range(6)])
    found = restyle(encoder, decoder, image, label, 6)
    checks.close(f"six classes in the style of an image of class {label}", found, wanted, atol=1e-5, read=read)

# %% [markdown]
# *See it.* Three test digits on the left, each followed by ten classes in its hand.

# %%
data = digits.load()
few, few_labels = data.train.images[:8_000], data.train.labels[:8_000]
encoder, decoder = build_conditional_parts(4, 10, (28, 28, 1), 128)
vae = ConditionalVAE(encoder, decoder)
vae.compile(keras.optimizers.Adam(0.002))
history = vae.fit([few, few_labels], batch_size=64, epochs=4, verbose=0)

# %%
test_images, test_labels = data.test.images[:1000], data.test.labels[:1000]
rows = {}
for n in range(3):
    drawn = restyle(encoder, decoder, test_images[n], int(test_labels[n]), 10)
    rows[f"hand {n + 1}"] = np.concatenate([test_images[n : n + 1], drawn])
figures.image_rows(rows, columns=11, titles=["", *range(10)])

# %% [markdown]
# ## 4 · A third loss
#
# A classifier on the codes gathers the classes in latent space. Its cross-entropy is one more term, in nats per image:
#
# $$\text{loss} = \text{reconstruction} + \beta \, \text{KL} + \gamma \left( -\log p_{\text{label}} \right),$$
#
# averaged over the batch.


# %% solution="third_loss"
def three_losses(reconstruction, kl, probabilities, labels, beta, gamma):
    """Return the loss of a VAE with a classifier.

    Args:
        reconstruction, kl: float tensors, (batch,), in nats per image.
        probabilities: float tensor, (batch, classes), the classifier's softmax; keep it 1e-7 away from 0.
        labels: integer tensor, (batch,).
        beta: weight of the KL.
        gamma: weight of the classification.

    Returns:
        A scalar tensor.
    """
    ### BEGIN SOLUTION
    surprise = ops.sparse_categorical_crossentropy(labels, probabilities)
    return ops.mean(reconstruction + beta * kl + gamma * surprise)
    ### END SOLUTION


# %% test="third_loss_by_hand" points=3
read = "lecture 07, A classifier as a third loss"
zeros = np.zeros(2, "float32")
probabilities = np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]], "float32")
loss = three_losses(zeros, zeros, probabilities, np.array([0, 2]), 1.0, 10.0)
checks.close("two labels of probability 1/2, nothing else, gamma=10", loss, 10 * np.log(2), read=read)

# %% hidden="third_loss_terms" points=4
# All three terms, other weights, and a classifier that is sure and wrong.
read = "lecture 07, A classifier as a third loss"
random = np.random.default_rng(41)
reconstruction, kl = random.uniform(1, 9, size=(2, 5)).astype("float32")
probabilities = random.dirichlet(np.ones(4), size=5).astype("float32")
labels = np.array([3, 0, 2, 1, 1])
surprise = -np.log(probabilities[np.arange(5), labels])
for beta, gamma in ((1.0, 1.0), (0.25, 20.0), (4.0, 0.0)):
    wanted = (reconstruction + beta * kl + gamma * surprise).mean()
    loss = three_losses(reconstruction, kl, probabilities, labels, beta, gamma)
    checks.close(f"the loss with beta={beta} and gamma={gamma}", loss, wanted, rtol=1e-3, read=read)
sure = np.array([[1.0, 0.0]], "float32")
loss = three_losses(kl[:1], kl[:1], sure, np.array([1]), 0.0, 1.0)
checks.within("the loss where the label has probability 0", loss, 10, 40, read=read)
loss = lambda tensor: three_losses(kl, kl, tensor, labels, 1.0, 2.0)
slopes = checks.gradient("the gradient of the loss by the probabilities", loss, probabilities, read=read)
checks.holds("its largest slope", np.abs(slopes).max() > 0, expected="one that is not 0", got="0", read=read)

# %% [markdown]
# ## 5 · A linear probe
#
# How much of the class can be read from codes by a plane? Bring them to mean 0 and standard deviation 1, *as measured
# on the training codes*, fit a logistic regression on these, and score it on the others.


# %% solution="probe"
def linear_probe(train_codes, train_labels, test_codes, test_labels):
    """Return the accuracy of a linear classifier on codes.

    Args:
        train_codes, test_codes: float, (n, latent_dim); their columns have any scale.
        train_labels, test_labels: integer, (n,).

    Returns:
        A float in [0, 1], the accuracy on the test codes. Use `LogisticRegression(max_iter=1000)`.
    """
    ### BEGIN SOLUTION
    mean, deviation = train_codes.mean(axis=0), train_codes.std(axis=0)
    probe = LogisticRegression(max_iter=1000).fit((train_codes - mean) / deviation, train_labels)
    return float(probe.score((test_codes - mean) / deviation, test_labels))
    ### END SOLUTION


# %% test="probe_finds_classes" points=3
read = "lecture 08, Layer by layer"
random = np.random.default_rng(checks.seed(51))
labels = np.arange(200) % 2
codes = random.normal(size=(200, 3)) + 6 * labels[:, np.newaxis]
accuracy = linear_probe(codes[:100], labels[:100], codes[100:], labels[100:])
checks.close("a probe of two classes far apart", accuracy, 1.0, read=read)

# %% hidden="probe_is_honest" points=4
# Codes that say nothing, columns of very different scale, test codes of another place, and the classifier.
read = "lecture 08, Layer by layer: scale by the training codes, score on the test codes"
random = np.random.default_rng(checks.seed(52))
found = []
for _ in range(5):
    labels, codes = random.integers(0, 2, size=240), random.normal(size=(240, 300))
    found.append(linear_probe(codes[:80], labels[:80], codes[80:], labels[80:]))
checks.at_most("accuracy on test codes that know nothing of the labels", np.mean(found), 0.83, read=read)
labels = np.arange(1100) % 2
codes = np.stack([1e-3 * (random.normal(size=1100) + 5 * labels), 1e4 * random.normal(size=1100)], axis=1)
accuracy = linear_probe(codes[:100], labels[:100], codes[100:], labels[100:])
checks.at_least("accuracy where the column that knows the class is a thousandth", accuracy, 0.65, read=read)
one_sided = linear_probe(codes[:100], labels[:100], codes[100:][labels[100:] == 1], labels[100:][labels[100:] == 1])
checks.at_least("accuracy where all test codes are of one class", one_sided, 0.65, read=read)
labels = np.repeat([0, 1, 0, 1], [36, 24, 6, 6])
codes = labels[:, np.newaxis] + 0.05 * random.normal(size=(72, 1))
codes[-1] = 1e4
accuracy = linear_probe(codes[:60], labels[:60], codes[60:], labels[60:])
checks.close("accuracy where one of the test codes is far off", accuracy, 1.0, read=read)
labels = random.integers(0, 3, size=1200)
codes = random.normal(size=(1200, 60)) + 0.25 * random.normal(size=(3, 60))[labels]
codes = (codes - codes[:200].mean(axis=0)) / codes[:200].std(axis=0)
wanted = LogisticRegression(max_iter=1000).fit(codes[:200], labels[:200]).score(codes[200:], labels[200:])
codes = codes * np.logspace(-2, 2, 60) + 30
accuracy = linear_probe(codes[:200], labels[:200], codes[200:], labels[200:])
what = "accuracy on codes that say something, next to that of LogisticRegression(max_iter=1000)"
checks.within(what, accuracy, wanted - 0.05, 1, read=read)  # other ways of scaling do a little better

# %% [markdown]
# ## 6 · Are clusters classes?
#
# Two scores. *NMI*: cluster the codes by k-means, as many clusters as classes, and compare clusters with classes.
# *Silhouette*: how much nearer is a code to its own class than to the next.


# %% solution="clusters"
def cluster_scores(codes, labels, seed):
    """Score whether clusters of codes are classes.

    Args:
        codes: float, (n, latent_dim).
        labels: integer, (n,), two classes or more.
        seed: of `KMeans(..., n_init=10, random_state=seed)`.

    Returns:
        A dict with two floats: "nmi", of the clusters and the labels; "silhouette", of the codes with the labels.
    """
    ### BEGIN SOLUTION
    clusters = KMeans(len(np.unique(labels)), n_init=10, random_state=seed).fit_predict(codes)
    return {
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "silhouette": float(silhouette_score(codes, labels)),
    }
    ### END SOLUTION


# %% test="clusters_by_hand" points=2
read = "lecture 08, Are clusters classes?"
codes = np.array([[0, 0], [0, 1], [9, 0], [9, 1]], "float32")
scores = cluster_scores(codes, np.array([0, 0, 1, 1]), seed=0)
checks.close("NMI of two far clusters that are the classes", scores["nmi"], 1.0, read=read)
checks.close("their silhouette", scores["silhouette"], 0.889, atol=2e-3, read=read)

# %% hidden="clusters_other_codes" points=4
# Clusters that are not the classes, other numbers of classes, and labels that do not begin with 0.
read = "lecture 08, Are clusters classes?"
random = np.random.default_rng(checks.seed(61))
places = np.arange(90) % 3
codes = 20 * np.eye(3)[places] + random.normal(size=(90, 3))
scores = cluster_scores(codes, np.array([4, 7, 9])[places], seed=0)
checks.close("NMI of three clusters that are the classes 4, 7 and 9", scores["nmi"], 1.0, read=read)
halves = (np.arange(90) < 45).astype(int)
scores = cluster_scores(codes, halves, seed=1)
checks.within("NMI of clusters that know nothing of the classes", scores["nmi"], 0, 0.1, read=read)
checks.within("the silhouette of such classes", scores["silhouette"], -0.2, 0.1, read=read)
codes, labels = random.normal(size=(48, 8)), np.arange(48) % 6  # one cloud: where its clusters are, the seed decides
for seed in (3, 4):
    clusters = KMeans(6, n_init=10, random_state=seed).fit_predict(codes)
    wanted = normalized_mutual_info_score(labels, clusters)
    found = cluster_scores(codes, labels, seed=seed)["nmi"]
    checks.close(f"NMI of the clusters of KMeans(6, n_init=10, random_state={seed})", found, wanted, read=read)

# %% [markdown]
# ## 7 · Which axes are used?
#
# An axis that has collapsed has the cloud N(0, 1) for every image: its KL is zero, and it says nothing. Measure the
# mean KL of each axis over the images; an axis above 0.01 nats is *active*.


# %% solution="active"
def active_axes(z_mean, z_log_var):
    """Tell which axes of a latent space say something.

    Args:
        z_mean, z_log_var: float arrays of NumPy, (n, latent_dim).

    Returns:
        An integer array of NumPy: the indices of the axes with a mean KL above 0.01 nats, the largest KL first.
    """
    ### BEGIN SOLUTION
    nats = np.mean(z_mean**2 + np.exp(z_log_var) - 1 - z_log_var, axis=0) / 2
    order = np.argsort(-nats)
    return order[nats[order] > 0.01]
    ### END SOLUTION


# %% test="active_by_hand" points=3
read = "lecture 07, Collapse is greedy"
z_mean = np.array([[0, 1, 3], [0, -1, -3]], "float32")
found = active_axes(z_mean, np.zeros((2, 3), "float32"))
checks.close("active axes of means (0, ±1, ±3)", found, [2, 1], read=read)

# %% hidden="active_variances" points=4
# Axes that are active by their variance, and a threshold on the mean over the images.
read = "lecture 07, Collapse is greedy: an axis may speak by its variance"
z_mean, z_log_var = np.zeros((200, 4), "float32"), np.zeros((200, 4), "float32")
z_log_var[:, 1] = -3
z_mean[:, 3] = 0.12  # 0.0072 nats
z_mean[:, 2] = 0.2  # 0.02 nats
z_mean[0, 0] = 20  # one image of 200, 1 nat on average
z_log_var[:, 0] = 0.02
checks.close("active axes", active_axes(z_mean, z_log_var), [1, 0, 2], read=read)
checks.shape("active axes of a space that has collapsed", active_axes(0 * z_mean, 0 * z_log_var), (0,), read=read)

# %% [markdown]
# *See it.* The conditional VAE's codes next to those of a VAE that was trained as long and never told the class. Which
# of the two should know the class?

# %%
plain_encoder, plain_decoder = build_dense_parts(4, hidden=(128,))
plain = VAE(plain_encoder, plain_decoder)
plain.compile(keras.optimizers.Adam(0.002))
history = plain.fit(few, batch_size=64, epochs=4, verbose=0)

# %%
told = encoder.predict([test_images, test_labels], verbose=0)
untold = plain_encoder.predict(test_images, verbose=0)
rows = []
for name, (z_mean, z_log_var, _) in {"told": told, "untold": untold}.items():
    half = len(z_mean) // 2
    accuracy = linear_probe(z_mean[:half], test_labels[:half], z_mean[half:], test_labels[half:])
    scores = cluster_scores(z_mean, test_labels, seed=0)
    rows.append({"codes": name, "probe": accuracy, **scores, "active axes": len(active_axes(z_mean, z_log_var))})
Table(rows)

# %% [markdown]
# The one that was *not* told: its decoder needs the class, and gets it from the code or not at all. Where both parts
# are told, the code is free for the style.

# %% [markdown]
# Done? Restart the kernel, run all cells, save, and hand in this file under the name that it has.
