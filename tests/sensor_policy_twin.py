"""Policies against heat once more, frame by frame and as plainly as can be."""

import math

from archsim.sensor.policies.heat import bounds_of, step_of
from archsim.sensor.policies.setting import MODES


def twin(setting):
    """Return modes, dies and packages at the starts of all frames, and counts of the whole run."""
    h = step_of(setting).tolist()
    high, low, vision, imaging, a, b, c, d, at_most, later = bounds_of(setting).tolist()
    die, package = h[10], h[11]
    ambient, steps = setting.ladder.ambient_k, setting.steps
    asked_at = requests_of(setting)
    season, before, place = "near", None, None
    asked, waited = 0, None  # waited: None when nothing is asked for
    modes, dies, packages = [], [], []
    counts = dict.fromkeys(
        ("near", "far", "stop", "migrations", "captured", "missed", "vision", "longest"), 0
    )

    def end(mode):
        m = MODES.index(mode)
        return h[0] * die + h[1] * package + h[4 + m], h[2] * die + h[3] * package + h[7 + m]

    for k in range(steps):
        while asked < len(asked_at) and asked_at[asked] <= k:
            asked += 1
            waited = 0 if waited is None else waited
        near_die, near_package = end("near")
        if setting.foresight:
            fits = near_die <= high
            fits = fits and a * near_die + b * near_package <= at_most
            fits = fits and c * near_die + d * near_package <= later
        else:
            fits = die < high
        if setting.policy == "full-far":
            mode = "far"
        elif setting.policy == "full-near":
            mode = "near"
        elif setting.policy == "on-demand":
            mode = "near" if waited is None else "far"
        elif setting.policy == "stop-capture-go":
            mode = "near" if waited is None and fits else "stop"
            if mode == "stop" and before != "stop" and waited is None:
                waited = 0
        else:
            if season == "near" and not fits:
                season = "far"
            elif season == "far" and die <= low and fits:
                season = "near"
            mode = season if waited is None else "far"
        modes.append(mode)
        dies.append(die + ambient)
        packages.append(package + ambient)
        die, package = end(mode)
        if k >= setting.skipped:
            counts[mode] += 1
        if mode != "stop":
            counts["vision"] += die > vision
            counts["migrations"] += place not in (None, mode) and k >= setting.skipped
            place = mode
        if waited is not None:
            waited += 1
            if die <= imaging or waited >= setting.patience:
                counts["captured"] += 1
                counts["missed"] += die > imaging
                counts["longest"] = max(counts["longest"], waited)
                waited = None
        before = mode
    counts["requests"], counts["waiting"] = asked, int(waited is not None)
    return modes, dies, packages, (die + ambient, package + ambient), counts


def requests_of(setting):
    """Return the frames at whose starts something is asked for."""
    if setting.requests is None:
        return []
    if isinstance(setting.requests, tuple):
        return [math.ceil(time / setting.step_s - 1e-6) for time in setting.requests]
    found, count, k = [], 1, 0
    while k < setting.steps:
        if count * setting.requests <= (k + 1e-6) * setting.step_s:
            found.append(k)
            count += 1
        else:
            k += 1
    return found
