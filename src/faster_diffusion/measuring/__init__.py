"""Shared by the tools: time, FLOPs, memory, intervals, fingerprints, results on disk."""
