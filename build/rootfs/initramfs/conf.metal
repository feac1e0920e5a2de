# Whatever disk the machine has.
MODULES=most
COMPRESS=zstd
