"""FPN+RIM: a gaze position for every frame, from recurrent units over image features."""
