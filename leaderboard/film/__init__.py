"""The film strip of a stimulus: scores over time, and what models saw where people looked."""
