"""DHF1K: 1,000 videos, free viewing by 17 observers; one module for each form in which it is distributed."""
