"""What the machine has: GPUs through NVML, host memory and load, and which process uses what."""
