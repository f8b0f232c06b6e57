"""Short texts as libraries print them, with the category that each must get; no exit status unless said."""

from __future__ import annotations

from htr_tui.triage.finding import ExitFacts

FAILED = ExitFacts(exit_code=1)
GOOD = ExitFacts(exit_code=0)
KILLED = ExitFacts(exit_code=-9)
PROGRESS = "\n".join(f"Epoch {n}/30 loss: 0.{n} step {n}" for n in range(3, 9))
FRAMES = 'Traceback (most recent call last):\n  File "/opt/t/train.py", line 88, in <module>\n    main()\n  File "/opt/t/train.py", line 60, in main\n    step()\n'

TORCH_OWN = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 15.77 GiB of which "
    "1.12 GiB is free. Including non-PyTorch memory, this process has 14.60 GiB memory in use. Of the allocated memory 13.90 GiB "
    "is allocated by PyTorch, and 300.00 MiB is reserved by PyTorch but unallocated."
)
TORCH_OTHER = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 23.69 GiB of which "
    "6.56 MiB is free. Process 3101 has 18.11 GiB memory in use. Process 3102 has 4.02 GiB memory in use. Including non-PyTorch "
    "memory, this process has 1.50 GiB memory in use."
)
CALLER = (
    "2024-01-01 10:00:00.1: W tensorflow/core/common_runtime/bfc_allocator.cc:290] Allocator (GPU_0_bfc) ran out of memory trying to "
    "allocate 2.30GiB with freed_by_count=0. The caller indicates that this is not a failure, but may mean that there could be "
    "performance gains if more memory were available."
)
LADDER = (
    "I tensorflow/stream_executor/cuda/cuda_driver.cc:763] failed to allocate 9.41G (10102145024 bytes) from device: "
    "CUDA_ERROR_OUT_OF_MEMORY: out of memory"
)
TF_OOM = (
    "W bfc_allocator.cc:501] Allocator (GPU_0_bfc) ran out of memory trying to allocate 1.17GiB (rounded to 1258291200)requested by op conv2d\n"
    + FRAMES
    + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[8,64,128,1024] and type "
    "float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:Conv2D]"
)
MASK = (
    "tensorflow.python.framework.errors_impl.InvalidArgumentError: Graph execution error:\n"
    "assertion failed: [You are passing a RNN mask that does not correspond to right-padded sequences, while using cuDNN, which is "
    "not supported.]"
)
IGNORED = (
    "Exception ignored in: <function _MultiProcessingDataLoaderIter.__del__ at 0x7f>\nTraceback (most recent call last):\n"
    '  File "/x/torch/utils/data/dataloader.py", line 1466, in __del__\n    self._shutdown_workers()\n'
    "AssertionError: can only test a child process\n"
)

WORDINGS: list[tuple[str, str, ExitFacts | None]] = [
    # GPU memory
    ("gpu_oom", FRAMES + TORCH_OWN, None),
    ("gpu_oom", FRAMES + TORCH_OTHER, None),
    ("gpu_oom", FRAMES + "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 10.76 GiB total capacity; 9.71 GiB already allocated; 18.44 MiB free; 9.78 GiB reserved in total by PyTorch)", None),
    ("gpu_oom", FRAMES + "RuntimeError: CUDA out of memory. Tried to allocate 128.00 MiB (GPU 0; 7.93 GiB total capacity; 6.31 GiB already allocated; 93.56 MiB free; 700.38 MiB cached)", None),
    ("gpu_oom", FRAMES + "RuntimeError: cuda runtime error (2) : out of memory at /pytorch/aten/src/THC/generic/THCStorage.cu:58", None),
    ("gpu_oom", FRAMES + "RuntimeError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported", None),
    ("gpu_oom", "[rank1]: " + FRAMES.replace("\n", "\n[rank1]: ") + TORCH_OWN, None),
    ("gpu_oom", FRAMES + "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", None),
    ("gpu_oom", FRAMES + "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.", None),
    ("gpu_oom", TF_OOM, FAILED),
    ("gpu_oom", FRAMES + "tensorflow.python.framework.errors_impl.InternalError: Dst tensor is not initialized.", None),
    ("gpu_oom", FRAMES + "InternalError: CUDA runtime implicit initialization on GPU:0 failed. Status: out of memory\nE cuda_driver.cc: failed call to cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY: out of memory; total memory reported: 11996954624", None),
    ("gpu_oom", "E tensorflow/core/common_runtime/gpu/gpu_cudamallocasync_allocator.cc:288] gpu_async_0 cuMemAllocAsync failed to allocate 2147483648 bytes: CUDA error: out of memory (CUDA_ERROR_OUT_OF_MEMORY)", FAILED),
    ("gpu_oom", FRAMES + "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 7406166528 bytes.", None),
    ("gpu_oom", FRAMES + "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 176.00MiB (184549376B) on device ordinal 0", None),
    ("gpu_oom", "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 17179869184 bytes.", None),
    ("gpu_oom", "Execution of replica 0 failed: Resource exhausted: Out of memory while trying to allocate 5520758552 bytes.", None),
    ("gpu_oom", "Error allocating 41943040 bytes of device memory (CNMEM_STATUS_OUT_OF_MEMORY).", None),
    ("gpu_oom", "terminate called after throwing an instance of 'dlib::cuda_error'\n  what():  Error while calling cudaMalloc(&data, n) in file cuda_data_ptr.cpp:28. code: 2, reason: out of memory\nAborted (core dumped)", ExitFacts(exit_code=134)),
    ("gpu_oom", "F0101 syncedmem.cpp:71] Check failed: error == cudaSuccess (2 vs. 0)  out of memory\n*** Check failure stack trace: ***\nAborted (core dumped)", None),
    ("gpu_oom", f"{LADDER}\n{LADDER}\n{LADDER}", FAILED),
    ("gpu_oom", f"{LADDER}\n{LADDER}\n{LADDER}", None),
    ("gpu_oom", f"{LADDER}\nE cuda_dnn.cc:329] Could not create cudnn handle: CUDNN_STATUS_ALLOC_FAILED\n" + FRAMES + "UnknownError: Failed to get convolution algorithm. This is probably because cuDNN failed to initialize", None),
    ("gpu_oom", f"{CALLER}\n" + TF_OOM, FAILED),
    ("gpu_oom", FRAMES + TORCH_OWN + "\nwandb: ERROR Error uploading\nBrokenPipeError: [Errno 32] Broken pipe", FAILED),
    ("gpu_oom", FRAMES + TORCH_OWN + "\n[E ProcessGroupNCCL.cpp:475] Watchdog caught collective operation timeout\ntorch.distributed.elastic.multiprocessing.errors.ChildFailedError:", FAILED),
    ("gpu_oom", "Epoch 1:  10%|#   | 5/50 [00:02<00:20]" + FRAMES + TORCH_OWN, None),
    ("gpu_oom", "\r 10%|#| 1/10\r" + TORCH_OWN + "\r 20%|##| 2/10", FAILED),
    # the same, harmless
    ("none", CALLER, None),
    ("none", f"{CALLER}\n{PROGRESS}", None),
    ("none", f"{CALLER}\n{PROGRESS}", GOOD),
    ("none", f"{LADDER}\n{PROGRESS}", None),
    ("none", f"{FRAMES}{TORCH_OWN}\nskipping this batch\n{PROGRESS}", GOOD),
    ("none", f"{FRAMES}{TORCH_OWN}\nskipping this batch\n{PROGRESS}", None),
    ("none", "W bfc_allocator.cc:219] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.19GiB. The caller\nindicates that this is not a failure, but may mean that there could be performance gains", None),
    ("none", "W gpu_conv_algorithm_picker.cc:729] Failed to determine best cudnn convolution algorithm: Resource exhausted: Out of memory while trying to allocate 16777716 bytes.\nConvolution performance may be suboptimal.", None),
    ("gpu_oom", "W bfc_allocator.cc:419] Allocator (GPU_0_bfc) ran out of memory trying to allocate 1.17GiB.  Current allocation summary follows.\nInUse at f00950000 of size 1280 next 1", None),
    ("cudnn_init", FRAMES + "jaxlib.xla_extension.XlaRuntimeError: FAILED_PRECONDITION: DNN library initialization failed. Look at the errors above for more details", None),
    ("none", "UserWarning: CUDA initialization: Found no NVIDIA driver on your system.\n" + PROGRESS, None),
    ("none", "UserWarning: CUDA initialization: Found no NVIDIA driver on your system.", None),
    ("host_oom", "[2023-12-07] Unsuccessful task run with exit code: 137 completed in 700 seconds", None),
    ("bad_config", "error: Validation failed: Key \"fit.model\" is required but not included in config object or its value is None.", None),
    # cuDNN masks
    ("cudnn_rnn_mask", MASK, None),
    ("cudnn_rnn_mask", PROGRESS + "\n" + FRAMES + MASK, FAILED),
    ("cudnn_rnn_mask", "UnknownError: CUDNN_STATUS_BAD_PARAM\nin tensorflow/stream_executor/cuda/cuda_dnn.cc(1424): 'cudnnSetRNNDataDescriptor( data_desc.get(), data_type, layout, max_seq_length, batch_size)' [Op:CudnnRNNV3]", None),
    ("cudnn_init", "tensorflow.python.framework.errors_impl.InternalError: Failed to call ThenRnnForward with model config: CUDNN_STATUS_INTERNAL_ERROR in cudnnRNNForwardTraining", None),
    ("crash", FRAMES + "InvalidArgumentError: No OpKernel was registered to support Op 'CudnnRNN' used by node", FAILED),
    # cuDNN start
    ("cudnn_init", FRAMES + "UnknownError: Failed to get convolution algorithm. This is probably because cuDNN failed to initialize", None),
    ("cudnn_init", "E tensorflow/stream_executor/cuda/cuda_dnn.cc:329] Could not create cudnn handle: CUDNN_STATUS_INTERNAL_ERROR", FAILED),
    ("cudnn_init", "E0000 00:00:17 cuda_dnn.cc:522] Loaded runtime CuDNN library: 9.1.0 but source was compiled with: 9.3.0.", FAILED),
    # host memory
    ("host_oom", "Epoch 1/50\n 144/2000 [=>....] - ETA: 10:12 - loss: 0.7Killed", None),
    ("host_oom", "2019-10-21 shuffle_dataset_op.cc:145] Shuffle buffer filled.\nKilled", None),
    ("host_oom", "./train.sh: line 60: 11880 Killed                  python train.py", None),
    ("host_oom", "./train.sh:  60: 11880 killed  PYTHONPATH=`pwd` python train.py", None),
    ("host_oom", "Process finished with exit code 137 (interrupted by signal 9: SIGKILL)", None),
    ("host_oom", FRAMES + "RuntimeError: DataLoader worker (pid 22048) is killed by signal: Killed.", None),
    ("host_oom", FRAMES + "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array with shape (100000, 100000) and data type float64", None),
    ("host_oom", FRAMES + "MemoryError", None),
    ("host_oom", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nAborted (core dumped)", ExitFacts(exit_code=134)),
    ("host_oom", FRAMES + "RuntimeError: [enforce fail at alloc_cpu.cpp:75] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 117964800000 bytes. Error code 12 (Cannot allocate memory)\nIf you encounter CUDA out of memory, try to set --tile with a smaller number.", None),
    ("host_oom", "RuntimeError: [enforce fail at CPUAllocator.cpp:76] data. DefaultCPUAllocator: not enough memory: you tried to allocate 100 bytes.", None),
    ("host_oom", "OSError: [Errno 12] Cannot allocate memory", FAILED),
    ("host_oom", "W tensorflow/core/framework/cpu_allocator_impl.cc:83] Allocation of 4915200000 exceeds 10% of free system memory.\nKilled", None),
    ("host_oom", "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=123.batch. Some of your processes may have been killed by the cgroup out-of-memory handler.", None),
    ("host_oom", "E tensorflow/core/common_runtime/gpu/gpu_host_allocator.cc] failed to alloc 8589934592 bytes on host: CUDA_ERROR_OUT_OF_MEMORY: out of memory", FAILED),
    ("host_oom", FRAMES + "ResourceExhaustedError: OOM when allocating tensor with shape[100000,3000] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu", None),
    ("host_oom", FRAMES + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: MemoryError: Unable to allocate 2.1 GiB for an array\nHint: If you want to see a list of allocated tensors when OOM happens, add report_tensor_allocations_upon_oom", None),
    ("host_oom", PROGRESS, ExitFacts(signal=9, oom_kills=1)),
    ("none", "W tensorflow/core/framework/cpu_allocator_impl.cc:83] Allocation of 49152000 exceeds 10% of free system memory.", None),
    ("none", "W Allocation of 49152000 exceeds 10% of system memory.\n" + PROGRESS, None),
    # shared memory
    ("shm", "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).", FAILED),
    ("shm", FRAMES + "RuntimeError: DataLoader worker (pid 19) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.", None),
    ("shm", "RuntimeError: unable to write to file </torch_18692_1954506624>: No space left on device (28)", FAILED),
    # NaN
    ("nan_loss", "ERROR:tensorflow:Model diverged with loss = NaN.\n" + FRAMES + "NanLossDuringTrainingError: NaN loss during training.", None),
    ("nan_loss", "Epoch 1/5\n100/100 [====] - 3s 3ms/step - loss: nan - accuracy: 0.1000 - val_loss: nan\nEpoch 2/5\n100/100 [====] - 3s 3ms/step - loss: nan - accuracy: 0.1 - val_loss: nan", GOOD),
    ("nan_loss", "{'loss': nan, 'learning_rate': 5e-05, 'epoch': 0.02}\n{'loss': nan, 'learning_rate': 5e-05, 'epoch': 0.04}", None),
    ("nan_loss", "Batch 1882: Invalid loss, terminating training", None),
    ("nan_loss", "Loss is nan, stopping training", ExitFacts(exit_code=1)),
    ("nan_loss", "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 1.1125369292536007e-308", None),
    ("nan_loss", FRAMES + "ValueError: Input X contains NaN.", FAILED),
    ("nan_loss", FRAMES + "InvalidArgumentError: Found Inf or NaN global norm. : Tensor had NaN values [[node VerifyFinite/CheckNumerics]]", None),
    ("nan_loss", "epoch 3 train_loss=nan val_psnr=3.1", GOOD),
    ("none", "epoch 3 train_loss=0.31 val_auc=nan val_loss=0.5", GOOD),
    ("none", "epoch 3 loss: 0.31 - val_loss: nan", GOOD),
    ("none", "epoch 3 loss 0.31\nepoch 3 validation loss nan\nepoch 3 val loss nan", GOOD),
    ("nan_loss", "epoch 3 loss nan", GOOD),
    ("nan_loss", "{'loss': 0.0, 'grad_norm': nan, 'epoch': 0.1}\n{'loss': 0.0, 'grad_norm': nan, 'epoch': 0.2}", GOOD),
    ("none", "{'loss': 0.9, 'grad_norm': nan, 'epoch': 0.1}\n{'loss': 0.8, 'grad_norm': 1.5, 'epoch': 0.2}", GOOD),
    ("none", "step 3 loss: nan\nstep 4 loss: 0.3\nstep 5 loss: 0.2", GOOD),
    ("none", "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 32768.0", None),
    ("none", "loading 00nan.png Zoom room banana error_killed.txt char_error 0.3", None),
    # disk
    ("disk_full", FRAMES + "OSError: [Errno 28] No space left on device: '/runs/ckpt/model.h5'", FAILED),
    ("disk_full", FRAMES + "OSError: [Errno 122] Disk quota exceeded", None),
    ("disk_full", FRAMES + "RuntimeError: [enforce fail at inline_container.cc:445] . PytorchStreamWriter failed writing file data/176: file write failed", None),
    ("disk_full", "Saving model\n" + FRAMES + "RuntimeError: File ./checkpoints/checkpoint_0.pt cannot be opened.", None),
    ("disk_full", FRAMES + "tensorflow.python.framework.errors_impl.ResourceExhaustedError: runs/x/model.ckpt.data-00000; No space left on device", None),
    ("disk_full", FRAMES + "sqlite3.OperationalError: database or disk is full", FAILED),
    ("disk_full", FRAMES + "OSError: Can't write data (file write failed: time = x, filename = 'w.h5', file descriptor = 4, errno = 28, error message = 'No space left on device')", None),
    # data
    ("data_missing", FRAMES + "FileNotFoundError: [Errno 2] No such file or directory: 'data/train/labels.txt'", FAILED),
    ("data_missing", FRAMES + "tensorflow.python.framework.errors_impl.NotFoundError: data/x.tfrecord; No such file or directory [Op:IteratorGetNext]", None),
    ("data_missing", FRAMES + "ValueError: num_samples should be a positive integer value, but got num_samples=0", None),
    ("data_missing", FRAMES + "cv2.error: OpenCV(4.5) color.cpp:182: error: (-215:Assertion failed) !_src.empty() in function 'cvtColor'", None),
    ("data_missing", FRAMES + "FileNotFoundError: [WinError 3] The system cannot find the path specified: '../input/flickr8k'", None),
    ("data_missing", FRAMES + "OSError: Unable to open file (unable to open file: name = 'w.hdf5', errno = 2, error message = 'No such file or directory')", None),
    ("data_missing", FRAMES + "FileNotFoundError: [Errno 2] No such file or directory: 'configs/checkpoint_list.json'", None),
    ("data_corrupt", FRAMES + "tensorflow.python.framework.errors_impl.DataLossError: corrupted record at 123456", None),
    ("data_corrupt", FRAMES + "OSError: Unable to open file (file signature not found)", FAILED),
    ("data_corrupt", FRAMES + "PIL.UnidentifiedImageError: cannot identify image file 'x.png'", None),
    ("data_corrupt", "Premature end of JPEG file\n" + FRAMES + "OSError: image file is truncated (3 bytes not processed)", FAILED),
    ("none", "Premature end of JPEG file\nCorrupt JPEG data: 12 extraneous bytes before marker 0xd9\n" + PROGRESS, None),
    # configuration
    ("bad_config", "usage: train.py [-h] [--lr LR]\ntrain.py: error: unrecognized arguments: --name yolo", ExitFacts(exit_code=2)),
    ("bad_config", "usage: train.py [-h] [--lr LR]\nwhatever", ExitFacts(exit_code=2)),
    ("bad_config", "something is wrong with the options", ExitFacts(exit_code=2)),
    ("bad_config", FRAMES + "yaml.scanner.ScannerError: mapping values are not allowed here\n  in \"x.yaml\", line 28", None),
    ("bad_config", FRAMES + "omegaconf.errors.ConfigAttributeError: Key 'lr' is not in struct", FAILED),
    ("bad_config", FRAMES + "pydantic_core._pydantic_core.ValidationError: 51 validation errors for TrainConfig", FAILED),
    ("bad_config", 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    n = cfg["training"]["n_workers"]\nKeyError: \'n_workers\'', FAILED),
    ("bad_config", "htr-tui: cannot start ['htr-gam']: [Errno 2] No such file or directory: 'htr-gam'", ExitFacts(exit_code=127)),
    ("bad_config", "python: can't open file '/x/trian.py': [Errno 2] No such file or directory", ExitFacts(exit_code=2)),
    ("bad_config", "configs/tiny.yaml: 2 mistakes; nothing was started\nconfigs/tiny.yaml:4: train.bach: unknown key\n    did you mean batch?", ExitFacts(exit_code=2)),
    # imports
    ("import_error", FRAMES + "ModuleNotFoundError: No module named 'cv2'", FAILED),
    ("import_error", FRAMES + "ImportError: cannot import name 'prepare_model_for_int8_training' from 'peft' (/x/peft/__init__.py)", None),
    ("import_error", "ModuleNotFoundErrorModuleNotFoundError: : No module named 'swanboard'No module named 'swanboard'", FAILED),
    ("import_error", FRAMES + "ImportError: libcublas.so.8.0: cannot open shared object file: No such file or directory", FAILED),
    ("import_error", FRAMES + "TypeError: Descriptors cannot not be created directly.", None),
    ("import_error", FRAMES + "ImportError: DLL load failed while importing _pywrap_tensorflow_internal: A dynamic link library (DLL) initialization routine failed.", None),
    ("none", "W dso_loader.cc:59] Could not load dynamic library 'libcudart.so.10.1'; dlerror: libcudart.so.10.1: cannot open shared object file: No such file or directory\nI cudart_stub.cc:29] Ignore above cudart dlerror if you do not have a GPU set up on your machine.\n" + PROGRESS, None),
    ("crash", FRAMES + "RuntimeError: DataLoader worker (pid 5) exited unexpectedly with exit code 1. Details are lost due to multiprocessing.\n\nThe above exception was the direct cause of the following exception:\n\n" + FRAMES + "RuntimeError: DataLoader worker (pid(s) 5, 6) exited unexpectedly", FAILED),
    ("host_oom", FRAMES + "RuntimeError: DataLoader worker (pid(s) 5, 6) exited unexpectedly", FAILED),
    ("preempted", "In the attack of 2010 killed 12 people, he was Killed by oom. nan\nslurmstepd: error: *** JOB 9 ON n CANCELLED AT 2024-01-01T01:01:01 DUE TO TIME LIMIT ***", None),
    ("cudnn_rnn_mask", FRAMES + "ValueError: Masking is not supported for CuDNN RNNs.", None),
    ("gpu_missing", FRAMES + "pytorch_lightning.utilities.exceptions.MisconfigurationException:\n                You requested GPUs: [0]\n                But your machine only has: []", None),
    ("data_missing", FRAMES + "AssertionError: Annotation file '/data/VOC2007/annotations/train.json' not found", None),
    ("crash", FRAMES + "tensorflow.python.framework.errors_impl.NotFoundError: Failed to create a NewWriteableFile: ckpt/a.tempstate1 : No such file or directory\n\nDuring handling of the above exception, another exception occurred:\n\n" + FRAMES + "ValueError: Parent directory of ckpt/a doesn't exist, can't save.", FAILED),
    ("crash", "Error executing job with overrides: ['a=1']\n" + FRAMES + "RuntimeError: a Tensor with 2 elements cannot be converted to Scalar", FAILED),
    ("crash", FRAMES + "AssertionError: No inf checks were recorded for this optimizer.", FAILED),
    ("bad_config", "Key 'exp_name' not in 'FairseqConfig'\n    full_key: exp_name", FAILED),
    ("nan_loss", "Epoch 1/10\n  4/234 [....] - ETA: 25:09:00 - loss: inf", None),
    ("none", "{'best_train_loss': inf, 'best_valid_loss': inf}\n" + PROGRESS, None),
    ("nan_loss", "epoch 2 D_loss: nan\nepoch 2 G_loss: 0.3\nepoch 3 D_loss: nan\nepoch 3 G_loss: 0.2", GOOD),
    ("nan_loss", FRAMES + "FloatingPointError: Loss became infinite or NaN at iteration=27!\nloss_dict = {'loss_cls': tensor(nan, device='cuda:0')}", FAILED),
    ("none", "Exception ignored in: <function A.__del__ at 0x1>Exception ignored in: <function A.__del__ at 0x1>\n\nTraceback (most recent call last):\nTraceback (most recent call last):\n  File \"/x/dataloader.py\", line 1466, in __del__\n  File \"/x/dataloader.py\", line 1466, in __del__\n    self._shutdown_workers()\n    self._shutdown_workers()\nAssertionError: AssertionError: can only test a child process\ncan only test a child process\n", None),
    ("import_error", FRAMES + "ImportError: /opt/flash_attn_2_cuda.cpython-310.so: undefined symbol: _ZN2at4_ops5zeros4callE", None),
    ("host_oom", "[2024-01-01 10:00:00,000] [ERROR] [launch.py:321:sigkill_handler] ['python', 'train.py'] exits with return code = -9", FAILED),
    # the trainer that ships
    ("nan_loss", "htr-gan: nan_loss: loss is -inf at epoch 3 step 5\nTraining ended; the last checkpoint is from before", FAILED),
    ("bad_config", "htr-gan: bad config: c.yaml: 1 mistake; nothing was started\nc.yaml:3: train.batch: must be > 0", ExitFacts(exit_code=2)),
    ("data_missing", "htr-gan: No such file or directory: '/data/lines.tsv'\nthe lines\nhint: run htr-gan data", FAILED),
    # the rest
    ("checkpoint_mismatch", FRAMES + "RuntimeError: Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: \"a.weight\".", None),
    ("checkpoint_mismatch", FRAMES + "ValueError: You are trying to load a weight file containing 0 layers into a model with 18 layers.", None),
    ("shape_mismatch", FRAMES + "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x512 and 256x10)", None),
    ("shape_mismatch", FRAMES + "ValueError: Dimensions must be equal, but are 14 and 15", None),
    ("ctc", FRAMES + "InvalidArgumentError: Not enough time for target transition sequence (required: 64, available: 39)0", None),
    ("ctc", "Epoch 2 10/20 [===>..]W ctc_loss_calculator.cc:144] No valid path found.", FAILED),
    ("gpu_missing", FRAMES + "AssertionError: Torch not compiled with CUDA enabled", None),
    ("gpu_hardware", "RuntimeError: CUDA error: an illegal memory access was encountered", FAILED),
    ("gpu_hardware", "NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.", None),
    ("preempted", "Epoch 3: 50%|#### | 10/20slurmstepd: error: *** JOB 99 ON n1 CANCELLED AT 2024-01-01T10:00:00 DUE TO TIME LIMIT ***", None),
    ("preempted", FRAMES + "KeyboardInterrupt", None),
    ("tracking_error", FRAMES + "mlflow.exceptions.MlflowException: API request to http://localhost:5000/api/2.0/mlflow/runs/create failed with exception", FAILED),
    ("distributed", FRAMES + "RuntimeError: The server socket has failed to listen on any local network address. port: 29500, errno: 98 - Address already in use", None),
    ("crash", FRAMES + "ZeroDivisionError: division by zero", None),
    ("crash", "Segmentation fault (core dumped)", ExitFacts(exit_code=139)),
    ("crash", PROGRESS, KILLED),
    ("crash", PROGRESS, FAILED),
    ("crash", "", FAILED),
    # nothing
    ("none", "", None),
    ("none", "", GOOD),
    ("none", IGNORED + "Done.", None),
    ("none", PROGRESS + "\n" + IGNORED, None),
    ("none", FRAMES + TORCH_OWN, ExitFacts(exit_code=-15, stopped_by_us=True)),
    ("none", "AttributeError: 'MessageFactory' object has no attribute 'GetPrototype'", None),
    ("none", "E0000 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one has already been registered\n" + PROGRESS, None),
    ("none", "I tensorflow: Could not find cuda drivers on your machine, GPU will not be used.\n" + PROGRESS, None),
    ("none", "W tensorflow/core/framework/local_rendezvous.cc:404] Local rendezvous is aborting with status: OUT_OF_RANGE: End of sequence\n" + PROGRESS, None),
]  # fmt: skip
