"""SALICON: 10,000 + 5,000 + 5,000 photographs of COCO, looked at with a mouse by crowd workers for five seconds.

Source: Jiang, Huang, Duan & Zhao, SALICON: Saliency in Context, CVPR 2015.
Licence: photographs under their own Flickr licences; of the annotations none was found in the files.
Three releases that give other numbers: `2015-json` (COCO style, mouse tracks), `2015` and `2017` (LSUN challenge,
one MATLAB file an image: mouse tracks with times, and fixations detected in them).
"""
