"""The STAViS pack: six audio-visual data sets in one layout; a module a set, `pack` what they share."""
