"""`qaz fetch`: what a config needs of the hub, brought into one folder for machines without a network."""
