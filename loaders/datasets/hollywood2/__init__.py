"""Hollywood-2: 1,707 film clips watched by 16 observers; pooled maps of 6,657 shots, and the tracker's text."""
