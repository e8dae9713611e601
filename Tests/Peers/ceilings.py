"""What this machine gives at the most, right now: sgemm of OpenBLAS and a triad, on each number of cores.

    python Tests/Peers/ceilings.py [--cores 2]

Prints one JSON object: gflops and gigabytes_per_second, each a list for 1, 2 .. cores. The triad
a = b + s c over 192 MB counts 12 bytes an element.
"""

import argparse
import concurrent.futures
import ctypes
import ctypes.util
import json
import os
import time

import numpy
import torch

ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE = 101, 111, 112


def library():
    for name in ("libopenblas.so.0", ctypes.util.find_library("openblas")):
        try:
            found = ctypes.CDLL(name)
        except (OSError, TypeError):
            continue
        found.openblas_set_num_threads(1)
        return found
    raise SystemExit("no libopenblas: apt-get install libopenblas0")


def gemm(blas):
    """A product of the shape of a feed-forward layer, checked once; FLOP of each call."""
    m, n, k = 384, 1536, 384
    generator = numpy.random.default_rng(1)
    a = generator.standard_normal((m, k), dtype=numpy.float32)
    b = generator.standard_normal((n, k), dtype=numpy.float32)
    c = numpy.zeros((m, n), dtype=numpy.float32)
    pointer = lambda array: array.ctypes.data_as(ctypes.c_void_p)
    one, zero = ctypes.c_float(1), ctypes.c_float(0)

    def call():
        blas.cblas_sgemm(
            ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, m, n, k, one, pointer(a), k, pointer(b), k, zero,
            pointer(c), n)

    call()
    assert numpy.allclose(c, a @ b.T, atol=1e-2), "sgemm gives wrong numbers"
    return call, 2 * m * n * k


def triad():
    count = 16 << 20
    b, c, a = torch.rand(count), torch.rand(count), torch.empty(count)

    def call():
        torch.add(b, c, alpha=3.0, out=a)

    call()
    assert torch.allclose(a, b + 3 * c), "the triad gives wrong numbers"
    return call, 12 * count


def rate(make, cores, seconds=0.6):
    """Work a second of `cores` threads together, the best of three stretches."""
    calls = [make() for _ in range(cores)]

    def work(index, deadline):
        os.sched_setaffinity(0, [sorted(available)[index]])
        torch.set_num_threads(1)
        done = 0
        while time.perf_counter() < deadline:
            calls[index][0]()
            done += calls[index][1]
        return done

    available = os.sched_getaffinity(0)
    best = 0
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        for _ in range(3):
            start = time.perf_counter()
            done = sum(pool.map(work, range(cores), [start + seconds / 3] * cores))
            best = max(best, done / (time.perf_counter() - start))
    return best


def measure(cores):
    torch.set_num_threads(1)
    blas = library()
    counts = range(1, cores + 1)
    return {
        "gflops": [rate(lambda: gemm(blas), count) / 1e9 for count in counts],
        "gigabytes_per_second": [rate(triad, count) / 1e9 for count in counts]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    print(json.dumps(measure(parser.parse_args().cores)))
