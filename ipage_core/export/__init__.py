"""Writers for the files that leave the program: crystal structures and printable layouts."""
