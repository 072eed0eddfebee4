"""Taking turns: round after round, each program once, so that a slow minute of the machine hits all of them."""

import random
import statistics
import sys


def interleave(names, run_one, rounds, warm_up, title):
    """Calls `run_one(name, turn)` for every name in every round; gives name → samples, warm-up rounds left out."""
    results = {name: [] for name in names}
    order = list(names)
    for turn in range(warm_up + rounds):
        warm = turn < warm_up
        print(f"bench: {title}: round {turn + 1} of {warm_up + rounds}{' (does not count)' if warm else ''}",
              file=sys.stderr, flush=True)
        random.Random(turn).shuffle(order)  # nobody always comes after the same one
        for name in order:
            sample = run_one(name, turn)
            if "failed" in sample:
                print(f"bench: {title}: {name}: {sample['failed']}", file=sys.stderr, flush=True)
            if not warm:
                results[name].append(sample)
    return results


def good(samples):
    return [sample for sample in samples if "failed" not in sample]


def median(samples, key):
    """Of those that did not fail; None where all of them did."""
    values = [sample[key] for sample in good(samples) if key in sample]
    return statistics.median(values) if values else None


def spread(samples, key):
    values = [sample[key] for sample in good(samples) if key in sample]
    return (min(values), max(values)) if values else None


def failures(samples):
    """In words, or an empty string."""
    failed = [sample["failed"] for sample in samples if "failed" in sample]
    return f"{len(failed)} of {len(samples)} failed ({failed[0]})" if failed else ""
