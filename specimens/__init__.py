"""What tests, recipes and the scripts of `reproduce` have in common: toy networks, a row for every pipeline of
diffusers, a plain oracle of the method, what a ControlNet is shown, and what personalised models were taught.
"""
