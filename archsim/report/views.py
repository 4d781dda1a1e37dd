"""The standard views, in one place: ``archsim.plots``. See docs/pictures.md."""

from archsim.report.bars import plot_bars, plot_speedup, plot_utilisation
from archsim.report.energy_plots import plot_energy
from archsim.report.heat_plots import plot_heat
from archsim.report.memory_plots import plot_banks, plot_latency, plot_series
from archsim.report.miss_plots import plot_miss_ratio
from archsim.report.model_plots import plot_co_located
from archsim.report.multiplier_plots import plot_error_map, plot_errors
from archsim.report.pareto_plots import plot_pareto
from archsim.report.plots import plot_comparison
from archsim.report.policy_plots import plot_policy, plot_policy_map
from archsim.report.roofline_plots import plot_ceilings, plot_roofline
from archsim.report.search_plots import plot_front, plot_sensitivity
from archsim.report.sensor_image_plots import plot_frames, plot_noise, plot_snr
from archsim.report.sensor_plots import plot_frame_energy, plot_policies, plot_policy_power
from archsim.report.study_plots import plot_grid, plot_study, plot_sweep
from archsim.report.style import COLOURS, COLUMN_IN, TWO_COLUMNS_IN, house, new_figure, save
from archsim.report.thermal_animation import LayerFrames, animate
from archsim.report.thermal_plots import plot_temperature_map, plot_temperatures

__all__ = [
    "COLOURS",
    "COLUMN_IN",
    "TWO_COLUMNS_IN",
    "LayerFrames",
    "animate",
    "house",
    "new_figure",
    "plot_banks",
    "plot_bars",
    "plot_ceilings",
    "plot_co_located",
    "plot_comparison",
    "plot_energy",
    "plot_error_map",
    "plot_errors",
    "plot_frame_energy",
    "plot_frames",
    "plot_front",
    "plot_grid",
    "plot_heat",
    "plot_latency",
    "plot_miss_ratio",
    "plot_noise",
    "plot_pareto",
    "plot_policies",
    "plot_policy",
    "plot_policy_map",
    "plot_policy_power",
    "plot_roofline",
    "plot_sensitivity",
    "plot_series",
    "plot_snr",
    "plot_speedup",
    "plot_study",
    "plot_sweep",
    "plot_temperature_map",
    "plot_temperatures",
    "plot_utilisation",
    "save",
]
