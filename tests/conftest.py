"""Settings for every test: nothing is fetched, and nothing a test does to torch's defaults outlives it."""

import os

# Before any import of huggingface_hub, which reads them once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
