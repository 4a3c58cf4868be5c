"""What the peers share: arguments, the loop over networks, and the line of JSON."""

import argparse
import json
import statistics
import time

import torch


def mean_and_error(of_networks):
    """Mean and its standard error of one number a network."""
    if len(of_networks) < 2:
        return statistics.fmean(of_networks), None
    return statistics.fmean(of_networks), statistics.stdev(of_networks) / len(of_networks) ** 0.5


def main(doc, name, measure):
    """Runs `measure(depth, dim, width, inputs)` for each network and prints what came out."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("depth", type=int, help="hidden layers, L")
    parser.add_argument("dim", type=int, help="input dimension, d")
    parser.add_argument("width", type=int, help="neurons in each hidden layer, k")
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    measure(arguments.depth, min(arguments.dim, 10), min(arguments.width, 10), 10)  # threads and libraries are up
    seconds, steps = [], []
    for _ in range(arguments.networks):
        start = time.perf_counter()
        steps.append(measure(arguments.depth, arguments.dim, arguments.width, arguments.inputs))
        seconds.append(time.perf_counter() - start)
    fraction, fraction_error = mean_and_error([network.isfinite().double().mean().item() for network in steps])
    found = [network[network.isfinite()] for network in steps]
    step, step_error = mean_and_error([network.double().mean().item() for network in found if len(network)])
    print(
        json.dumps(
            {
                "program": name,
                "cell": [arguments.depth, arguments.dim, arguments.width],
                "networks": arguments.networks,
                "inputs": arguments.inputs,
                "threads": arguments.threads,
                "seconds_per_network": statistics.median(seconds),
                "fraction": fraction,
                "fraction_error": fraction_error,
                "step_mean": step,
                "step_error": step_error,
            }
        )
    )
