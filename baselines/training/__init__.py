"""Training: recipes, the steps of each network, and one trainer for all of them.

    recipe.py        a recipe: its text, options, digest; what one step of optimization does
    optimization.py  parameter groups, rates and frozen parts by epoch
    systems/         each network's modes and loss

`vidsal.training` offers the public names.
"""
