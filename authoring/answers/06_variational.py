# %% [markdown]
# # 06 · Variational autoencoders: answers
#
# Try the [exercises](../06_variational.ipynb) first. Cells that begin with `# from lecture 06` are the lecture's own;
# the others are new. All together run in over two minutes.
#
# ## Recall
#
# ### Recall 1
#
# A dense layer gives any number, also negative ones, and a variance must be positive. $e^v$ is positive for every $v$.
# The logarithm also makes small variances easy to learn: from 0.01 to 0.0001 is as far a way as from 1 to 0.01. And the
# KL divergence needs $\log \sigma^2$ anyway, which the layer gives without a logarithm that could meet a zero.
#
# ### Recall 2
#
# The distribution of $z$ stays as it was, $N(\mu, \sigma^2)$, and so does the mean loss. What changes is where the
# chance comes from: $\varepsilon$ is drawn from a distribution without parameters, and $z = \mu + \sigma \varepsilon$
# depends on $\mu$ and $\sigma$ by arithmetic, which has derivatives. An answer such as "it makes the draw
# differentiable" is half of it: the draw is as random as before, and is no longer on the way.
#
# ### Recall 3
#
# At `z_mean` = 0 and `z_log_var` = 0, on every axis. The cloud is then the prior itself, the same for every image, so
# the code says nothing of the image. If only one axis is there, this axis says nothing; lecture 07 calls that
# collapse.
#
# ### Recall 4
#
# Summed over pixels and over latent axes, since given $z$ the pixels are independent, and so are the axes: their
# probabilities multiply, and logarithms add up. Averaged over the images of a batch, because the loss is an estimate of
# the mean over the data, and should not depend on the batch size. A mean over pixels or axes changes the weight of one
# term against the other, a beta that nobody chose.
#
# ### Recall 5
#
# The reconstruction is best if the decoder gets the same code for the same image. Every bit of noise makes it a little
# worse, and nothing in the loss rewards noise once the KL term is gone. So the gradient says the same at every step:
# smaller. Only the KL term pushes back, with $-v / 2$, which grows without limit as $\sigma$ goes to zero.
#
# ## Change one line
#
# The set-up and the way to train are those of the lecture.

# %% lecture=["setup", "training", "drawn-pixels", "sixteen-axes"]

# %% [markdown]
# ### Change one line 1
#
# The convolutional network, with each way of upsampling; `process_time` counts what the processor works, and not what
# it waits.

# %%
from time import process_time  # seconds that the processor works

networks, upsampled = {}, {}
for upsampling in ("transpose", "nearest"):
    start = process_time()
    model = build_convolutional_vae(16, kernel_size=4, upsampling=upsampling)
    networks[upsampling] = train_on_drawn(upsampling, model)
    upsampled[upsampling] = {"CPU seconds": process_time() - start} | elbo(model)
Table([{"upsampling": name, **found} for name, found in upsampled.items()], "nats per image")

# %% [markdown]
# The ELBO is a little better, by 1.3 nats, at the same number of weights, and the time doubles: 54 CPU seconds in
# place of 25. A convolution after the upsampling works on the large picture, where most of its inputs are copies of
# each other. This was one seed, and one run on a busy machine: so small a gain is a hint and no more, and the time
# will differ on yours.
#
# ### Change one line 2
#
# With `beta=784`, beside a network that ignores its code from the start: the mean of all training images.

# %%
expensive = train_on_drawn("beta 784", build_dense_vae(16, beta=784))
averaged_pixels = elbo(expensive)
mean_image = some.mean(axis=0, keepdims=True).clip(1e-4, 1 - 1e-4)  # (n, 28, 28, 1) -> (1, 28, 28, 1)
per_pixel = -test_drawn * np.log(mean_image) - (1 - test_drawn) * np.log(1 - mean_image)
bce_of_mean = float(per_pixel.sum(axis=(1, 2, 3)).mean())
print(f"reconstruction {averaged_pixels['reconstruction']:.1f}, KL {averaged_pixels['kl']:.4f}; mean {bce_of_mean:.1f}")

# %%
figures.image_rows({"drawn": test_drawn[:10], "reconstructed": expensive.reconstruct(test_drawn[:10])}).describe(
    "Ten test digits, and below each the same grey blot, the average of all digits."
)

# %% [markdown]
# The same blot for every image, with a KL of practically zero: a nat in the code costs 784, and saves far less. All
# axes have collapsed, and 206.5 nats is what the average digit would cost, 205.9, and a little. With Keras' averages
# the loss would look fine, small and falling, for it is divided by 784. Look at the KL, and at pictures.
#
# ## Open end
#
# ### Open end 1
#
# One way: fit each mixture to the same 5,000 codes, and judge 1,000 digits of each with the lecture's reader.

# %% lecture=["reader"]

# %%
best = networks["transpose"]
_, _, codes = best.encoder.predict(some[:5000], batch_size=1000, verbose=0)  # (5000, 16)


def share_sure(drawn_codes):
    pictures = best.decoder.predict(drawn_codes.astype("float32"), verbose=0)
    return float((reader.predict(pictures, verbose=0).max(axis=1) > 0.9).mean())


# %%
COUNTS = (1, 3, 10, 30, 100)
sure = {}
for count in COUNTS:
    mixture = GaussianMixture(count, reg_covar=1e-3, tol=0.01, random_state=0).fit(codes.astype("float64"))
    sure[count] = share_sure(mixture.sample(1000)[0])
sure_prior = share_sure(np.random.default_rng(1).standard_normal((1000, 16)))
copied = share_sure(codes[:1000])

# %%
lines = {"mixture": [*sure.values()], "N(0, I)": [sure_prior] * 5, "codes of training digits": [copied] * 5}
figure = figures.curves(lines, x=COUNTS, xlabel="normal distributions in the mixture", ylabel="share read as sure")
figure.axes[0].set_xscale("log")
figure.describe(
    "Share of images of which the reader is sure, over the number of normals from 1 to 100: it rises from near the "
    "level of N(0, I) until 30, and stays there, a little below the level of codes of training digits."
)

# %% [markdown]
# One is not enough: with mean and covariance of the codes the reader is sure of 46 %, where $N(0, I)$ gives 44 %. So
# the scale and tilt of the crowd were not the trouble, its holes are. With 10 it is 77 %, with 30 and with 100 83 %,
# close to the 85 % of codes of training digits, which no mixture that follows the codes is likely to beat by much.
#
# One narrow normal for each code draws those codes again, and their decoded pictures are reconstructions of training
# images: 85 % are sure, and nothing is new. So the reader cannot tell a good mixture from copies; the nearest training
# images can, or the likelihood of codes that were not fitted.
