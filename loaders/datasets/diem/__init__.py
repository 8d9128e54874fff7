"""DIEM: the original gaze of each observer (`raw`), and the pooled maps of the STAViS pack (`stavis`)."""
