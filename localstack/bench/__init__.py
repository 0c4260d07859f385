"""What `./dev bench` measures with, and what it knows of targets, prices and capacity."""
