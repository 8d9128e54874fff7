"""UCF Sports: 150 sports clips watched by 16 observers; two revisions of pooled maps, and the tracker's text."""
