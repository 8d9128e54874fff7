"""File formats that more than one data set uses: read here once, refused here where they are broken."""
