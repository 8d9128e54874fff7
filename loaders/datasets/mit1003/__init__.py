"""MIT1003: 1,003 photographs, free viewing for three seconds, 15 observers.

Source: Judd, Ehinger, Durand & Torralba, Learning to Predict Where Humans Look, ICCV 2009.
Licence: none stated; used in research with citation.
Two forms: `mat`, the authors' own files with the raw samples, from which fixations are detected as the authors
did; and `fixatons`, the FixaTons collection's text files of those fixations, rounded to whole pixels.
"""
