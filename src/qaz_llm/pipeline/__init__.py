"""`qaz run`: the main job, from raw text to report, as stages that can each be run alone."""
