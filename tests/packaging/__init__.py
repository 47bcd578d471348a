"""What is released: the wheel, the image, the files for hosts."""
