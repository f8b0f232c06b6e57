"""All measurements, one after the other."""

from __future__ import annotations

from benchmarks import idle, journal, overhead, startup, tiny_gan

if __name__ == "__main__":
    for part in (startup, overhead, idle, journal, tiny_gan):
        print(f"\n## {part.__name__}\n", flush=True)
        part.main()
