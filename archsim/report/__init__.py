"""What people look at: report folders, plots, timelines."""
