"""``python -m napari_unet_studio``: the command line, as ``torchrun -m`` starts it."""

from napari_unet_studio.cli import main

if __name__ == "__main__":
    main()
