"""Why two numbers differ: data, protocol, recipe, engine, encoding, coverage, model, the stimuli that moved most."""
