"""Videos, images, folders of frames and arrays that belong to no release: shown to a model, its maps written."""
