# MODULES=most finds them.
