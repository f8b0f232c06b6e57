"""All measurements, one after the other."""

from __future__ import annotations

from benchmarks import overhead, startup, tiny_gan

if __name__ == "__main__":
    for part in (startup, overhead, tiny_gan):
        print(f"\n## {part.__name__}\n", flush=True)
        part.main()
