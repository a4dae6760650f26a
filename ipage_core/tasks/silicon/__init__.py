"""Silicon under strain: which strains of the crystal, ions relaxed, have a given band gap?"""
