"""The shortest Keras script that classifies one image: `python keras_script.py model.keras image.png`."""

import sys

import keras
import numpy as np


def main(model: str, image: str) -> None:
    """Print the eight probabilities."""
    network = keras.saving.load_model(model)
    side = network.input_shape[1]
    picture = keras.utils.load_img(image, target_size=(side, side))
    batch = keras.utils.img_to_array(picture)[np.newaxis]
    sys.stdout.write(f"{network.predict(batch, verbose=0)[0].tolist()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
