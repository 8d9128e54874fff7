"""GazeCom: 18 outdoor clips of about 20 s, free viewing by 54 observers, with and without hand labels."""
