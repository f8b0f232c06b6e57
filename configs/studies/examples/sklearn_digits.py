"""Classify handwritten digits with scikit-learn: `python sklearn_digits.py settings.json results.json`."""

import json
import sys
import warnings
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

warnings.filterwarnings("ignore", category=ConvergenceWarning)


def main() -> None:
    """Train epoch by epoch; the results are written anew after each."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    results = Path(sys.argv[2])
    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images / 16.0, labels, test_size=settings["data"]["test_size"], random_state=settings["data"]["seed"]
    )
    model = MLPClassifier(**settings["model"])
    history = []
    for epoch in range(settings["epochs"]):
        model.partial_fit(train_x, train_y, classes=range(10))
        probabilities = model.predict_proba(test_x)
        history.append(
            {
                "epoch": epoch + 1,
                "train_loss": float(model.loss_),
                "test": {
                    "loss": float(log_loss(test_y, probabilities)),
                    "accuracy": float(accuracy_score(test_y, probabilities.argmax(axis=1))),
                },
            }
        )
        results.write_text(json.dumps({"settings": settings, "history": history}, indent=1))


if __name__ == "__main__":
    main()
