"""Makes the logs of this folder by really failing; run by hand: `python tests/triage/logs/make.py [NAME...]`.

Each program below is run as a process of its own; its output goes to NAME.txt and its exit status is printed, to be
kept in `EXPECTED` of `tests/triage/test_real_logs.py`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TENSORFLOW_MASK = """
import numpy as np, tensorflow as tf
from keras.src.backend.tensorflow.rnn import _assert_valid_mask
print("Epoch 9/30"); step = tf.function(lambda m: (_assert_valid_mask(m), tf.reduce_sum(tf.cast(m, tf.float32)))[1])
print(step(tf.constant([[True, True, False]])))
print(step(tf.constant([[False, False, False]])))
"""
KERAS_NAN = """
import keras, numpy as np
keras.utils.set_random_seed(1)
m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(1)])
m.compile(optimizer=keras.optimizers.SGD(1e12), loss="mse")
m.fit(np.ones((64, 4)) * 1e6, np.zeros((64, 1)), epochs=3, verbose=2)
"""
KERAS_GOOD = """
import keras, numpy as np
keras.utils.set_random_seed(1)
m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
m.compile(optimizer="sgd", loss="mse")
m.fit(np.ones((64, 4)), np.zeros((64, 1)), epochs=3)
"""
KERAS_SHAPE = """
import keras, numpy as np
m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
m.compile(optimizer="sgd", loss="mse")
m.fit(np.ones((8, 5)), np.zeros((8, 1)), verbose=2)
"""
TENSORFLOW_HOST = """
import resource, tensorflow as tf
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
for step in range(3): print("step", step)
tf.zeros((1 << 33,)) + 1.0
"""
TENSORFLOW_RECORD = """
import tensorflow as tf, os
with tf.io.TFRecordWriter("x.tfrecord") as w: w.write(b"a" * 1000)
data = bytearray(open("x.tfrecord", "rb").read()); data[500] = 0; open("x.tfrecord", "wb").write(data)
for _ in tf.data.TFRecordDataset("x.tfrecord"): pass
"""
TENSORFLOW_MISSING = """
import tensorflow as tf
for _ in tf.data.TFRecordDataset("data/train.tfrecord"): pass
"""
PROGRAMS = {
    "disk_full_dev_full": 'f = open("/dev/full", "wb", buffering=0)\nprint("epoch 1 loss 0.5")\nf.write(b"x" * 100)',
    "disk_full_numpy": "import numpy as np\nprint('Saving checkpoint')\nwith open('/dev/full', 'wb') as f: np.savez(f, w=np.ones(1 << 16))",
    "data_missing_open": 'open("data/train/labels.tsv")',
    "import_error_module": "import a_package_that_nobody_wrote",
    "import_error_name": "from json import loadz",
    "bad_config_argparse": "import argparse\np = argparse.ArgumentParser('train.py')\np.add_argument('--lr', type=float)\np.parse_args(['--lr', 'fast'])",
    "bad_config_yaml": "import yaml\nyaml.safe_load('train:\\n  batch: 8\\n lr: 1')",
    "host_oom_memory_error": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\nb = []\nwhile True: b.append(bytearray(1 << 26))",
    "host_oom_numpy": "import resource, numpy as np\nresource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))\nnp.ones((1 << 18, 1 << 14))",
    "crash_chain": "def load():\n    return {}['epoch']\ntry:\n    load()\nexcept KeyError as e:\n    raise RuntimeError('cannot resume') from e",
    "crash_segfault": "import ctypes, faulthandler\nfaulthandler.enable()\nprint('step 1', flush=True)\nctypes.string_at(0)",
    "distributed_port": "import socket\na, b = socket.socket(), socket.socket()\na.bind(('127.0.0.1', 0)); a.listen()\nb.bind(a.getsockname())",
    "none_ignored": "class A:\n    def __del__(self): raise ValueError('late')\na = A()\nfor e in range(3): print(f'epoch {e} loss {1/(e+1):.3f}')\ndel a\nprint('done')",
    "none_good": "for e in range(5): print(f'Epoch {e}/5 loss: {1/(e+1):.3f} val_auc: nan oom_score: 0.2')",
    "cudnn_rnn_mask_keras": TENSORFLOW_MASK,
    "nan_loss_keras": KERAS_NAN,
    "none_keras": KERAS_GOOD,
    "shape_mismatch_keras": KERAS_SHAPE,
    "host_oom_tensorflow": TENSORFLOW_HOST,
    "data_corrupt_tfrecord": TENSORFLOW_RECORD,
    "data_missing_tfrecord": TENSORFLOW_MISSING,
}


def main(names: list[str]) -> None:
    for name in names or PROGRAMS:
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "train.py"
            program.write_text(PROGRAMS[name])
            done = subprocess.run(
                [sys.executable, str(program)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            text = done.stdout.replace(folder.encode(), b"/job").replace(sys.prefix.encode(), b"/venv")
            (HERE / f"{name}.txt").write_bytes(text.replace(sys.base_prefix.encode(), b"/python"))
            print(f'    "{name}": {done.returncode},')


if __name__ == "__main__":
    main(sys.argv[1:])
