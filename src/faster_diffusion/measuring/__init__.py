"""Shared by the tools: time, FLOPs, memory, intervals, identities, results on disk."""
