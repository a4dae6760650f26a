"""Processes that outlive a page: DFT, trainings, the benchmark."""
