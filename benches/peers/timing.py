"""What the peers share: arguments, warm-up, the timed loop over networks, accuracy, and the line of JSON.

A peer is a class: `Peer(threads, seed)` with methods `draw(depth, dim, width, inputs)`, which draws a network and its inputs, `steps(drawn)`,
the smallest step of each input as a NumPy array with NaN where there is none, and `arrays(drawn)`, which returns W_1 … W_L, the scaled
readout and the inputs as NumPy arrays.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import statistics
import time

import numpy

import reference

# Input bound on the step, as in preset quick.
BOUND = 20.0


def mean_and_error(of_networks):
    """Mean and its standard error of one number a network."""
    if len(of_networks) < 2:
        return statistics.fmean(of_networks) if of_networks else None, None
    return statistics.fmean(of_networks), statistics.stdev(of_networks) / len(of_networks) ** 0.5


def has_bf16_products():
    """Whether the processor multiplies bf16 numbers in hardware."""
    info = pathlib.Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else set()
    return bool(flags & {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"})


def in_threads(threads, work, parts):
    """Calls `work(index, part)` for the parts, on as many threads."""
    if threads == 1:
        for index, part in enumerate(parts):
            work(index, part)
        return
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(len(parts)), parts))


def timed_networks(peer_class, arguments, index=0, barrier=None):
    """Wall and processor seconds of each network of process `index`, and its steps; networks of the cell come first, untimed."""
    cell = (arguments.depth, arguments.dim, arguments.width)
    share = len(range(index, arguments.networks, arguments.processes))
    cores = sorted(os.sched_getaffinity(0))
    if barrier is not None:
        os.sched_setaffinity(0, {cores[index % len(cores)]})
    peer = peer_class(arguments.threads // arguments.processes, arguments.seed + 1_000_003 * index)
    # Libraries and memory are warm after one, compiled code for the shapes of shrinking batches after two.
    for _ in range(getattr(peer_class, "WARM_UP", 1)):
        peer.steps(peer.draw(*cell, arguments.inputs))
    if barrier is not None:
        barrier.wait()
    seconds, steps = [], []
    for _ in range(share):
        start = time.perf_counter(), time.process_time()
        steps.append(peer.steps(peer.draw(*cell, arguments.inputs)))
        seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return peer, seconds, steps


def in_a_process(peer_class, arguments, index, barrier, results):
    _, seconds, steps = timed_networks(peer_class, arguments, index, barrier)
    results.put((seconds, steps))


def in_processes(peer_class, arguments):
    """As `timed_networks`, in processes of one core each that start together."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(arguments.processes), context.Queue()
    workers = [
        context.Process(target=in_a_process, args=(peer_class, arguments, index, barrier, results), daemon=True)
        for index in range(arguments.processes)
    ]
    for worker in workers:
        worker.start()
    done = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return [part for part, _ in done], [network for _, part in done for network in part]


def accuracy(peer, arguments):
    """Median relative error of the steps, and the share of inputs with another answer, against the same networks in f64."""
    errors, others, inputs = [], 0, 0
    for _ in range(arguments.accuracy):
        drawn = peer.draw(arguments.depth, arguments.dim, arguments.width, arguments.inputs)
        steps = numpy.asarray(peer.steps(drawn), dtype=numpy.float64)
        error, other = reference.compare(steps, reference.smallest_steps(*peer.arrays(drawn), BOUND))
        errors.append(error)
        others += other
        inputs += len(steps)
    errors = numpy.concatenate(errors)
    return {
        "accuracy_networks": arguments.accuracy,
        "relative_error": float(numpy.median(errors)) if len(errors) else None,
        "other_answers": others / inputs,
    }


def main(doc, name, peer_class, add_options=None):
    """Times the networks of a peer and prints what came out; `add_options` adds its own options to the parser."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("depth", type=int, help="hidden layers, L")
    parser.add_argument("dim", type=int, help="input dimension, d")
    parser.add_argument("width", type=int, help="neurons in each hidden layer, k")
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of all processes together")
    parser.add_argument("--processes", type=int, default=1, help="networks are divided among them")
    parser.add_argument("--accuracy", type=int, default=0, help="further networks to compare with f64")
    parser.add_argument("--seed", type=int, default=0)
    if add_options:
        add_options(parser)
    arguments = parser.parse_args()
    if arguments.threads % arguments.processes or arguments.networks < arguments.processes:
        parser.error("--processes has to divide --threads, with a network for each")
    if hasattr(peer_class, "configured"):
        name, peer_class = peer_class.configured(name, arguments)
    if arguments.processes == 1:
        peer, seconds, steps = timed_networks(peer_class, arguments)
        parts = [seconds]
    else:
        parts, steps = in_processes(peer_class, arguments)
        peer = peer_class(arguments.threads, arguments.seed) if arguments.accuracy else None
    # The median of each process, so that a disturbance does not count; processes work at the same time.
    wall, processor = ([statistics.median(network[clock] for network in part) for part in parts] for clock in (0, 1))
    found = [network[numpy.isfinite(network)] for network in steps]
    fraction, fraction_error = mean_and_error([len(of) / arguments.inputs for of in found])
    step, step_error = mean_and_error([float(of.mean(dtype=numpy.float64)) for of in found if len(of)])
    result = {
        "program": name,
        "cell": [arguments.depth, arguments.dim, arguments.width],
        "networks": arguments.networks,
        "inputs": arguments.inputs,
        "threads": arguments.threads,
        "processes": arguments.processes,
        "seconds_per_network": 1 / sum(1 / seconds for seconds in wall),
        "processor_seconds_per_network": statistics.fmean(processor),
        "fraction": fraction,
        "fraction_error": fraction_error,
        "step_mean": step,
        "step_error": step_error,
    }
    if arguments.accuracy:
        result |= accuracy(peer, arguments)
    print(json.dumps(result))
