"""What is known of diffusers' classes: networks, pipelines, schedulers, adapters. A new class is a record here."""
