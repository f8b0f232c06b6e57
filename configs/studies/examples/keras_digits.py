"""Classify handwritten digits with Keras. Writes training.csv and the model to the current folder."""

import argparse

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def parse_args() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--hidden", type=int, nargs="+", default=[64], help="units of each hidden layer")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--batch-norm", action="store_true")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def build_model(args: argparse.Namespace) -> keras.Model:
    """A compiled dense network."""
    model = keras.Sequential([keras.Input((64,))])
    for units in args.hidden:
        model.add(keras.layers.Dense(units, activation="relu"))
        if args.batch_norm:
            model.add(keras.layers.BatchNormalization())
        if args.dropout:
            model.add(keras.layers.Dropout(args.dropout))
    model.add(keras.layers.Dense(10, activation="softmax"))
    optimizer = keras.optimizers.Adam(args.learning_rate)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    """Train and save."""
    args = parse_args()
    keras.utils.set_random_seed(args.seed)
    images, labels = load_digits(return_X_y=True)
    train_x, valid_x, train_y, valid_y = train_test_split(images / 16.0, labels, test_size=0.25, random_state=0)
    model = build_model(args)
    model.fit(
        train_x,
        train_y,
        validation_data=(valid_x, valid_y),
        epochs=args.epochs,
        batch_size=64,
        verbose=2,
        callbacks=[keras.callbacks.CSVLogger("training.csv")],
    )
    model.save("model.keras")


if __name__ == "__main__":
    main()
