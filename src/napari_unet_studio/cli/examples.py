"""What the help of each command ends with: examples that run, and exit codes."""

from collections.abc import Mapping
from types import MappingProxyType

Examples = tuple[tuple[str, str], ...]

# A sentence and a line, of each command by its words.
EXAMPLES: Mapping[str, Examples] = MappingProxyType(
    {
        "": (
            ("See it work, on a synthetic sample:", "unet-studio demo"),
            (
                "Segment a folder of images, then score the labels against a truth:",
                "unet-studio predict images/ --model nuclei --out found\n"
                "   unet-studio evaluate found/ truth/",
            ),
            (
                "Train on your own labels, and use what came out:",
                "unet-studio train images/ labels/ --out cells.unet\n"
                "   unet-studio predict new/ --model cells.unet --out found",
            ),
        ),
        "demo": (
            ("In napari, or into a folder where there is none:", "unet-studio demo"),
            (
                "Without a window, into a folder of your choice:",
                "unet-studio demo --no-window --out demo",
            ),
            (
                "First train a small network on the sample's labels:",
                "unet-studio demo --train --sample membranes_2d --no-window",
            ),
        ),
        "train": (
            (
                "Ask what is doubtful and how long it takes, without training:",
                "unet-studio train images/ labels/ --check",
            ),
            (
                "Train for half an hour; labels have the names of their images:",
                "unet-studio train images/ labels/ --minutes 30 --out cells.unet",
            ),
            (
                "Go on from the bundled model, with your few images:",
                "unet-studio train images/ labels/ --recipe fine-tune --out mine.unet",
            ),
            (
                "Repeat the training of a model, on the same files:",
                "unet-studio train --config cells.unet --out again.unet",
            ),
            (
                "Go on after Ctrl-C, or when the machine went down:",
                "unet-studio train images/ labels/ --out cells.unet --resume",
            ),
        ),
        "predict": (
            (
                "All images of a folder; labels of the same names go to found/:",
                "unet-studio predict images/ --model nuclei --out found",
            ),
            (
                "Images of a pattern, and a table of all their objects:",
                "unet-studio predict 'plates/**/*.tif' --out found --table",
            ),
            (
                "One image of any size, into an OME-Zarr store, by four processes:",
                "unet-studio predict big.zarr result.zarr --workers 4",
            ),
            (
                "Averaged over mirrored views, objects of 50 pixels and more:",
                "unet-studio predict cells.tif --average flips --min-size 50",
            ),
        ),
        "evaluate": (
            (
                "Two folders whose files have the same names, with 95 % intervals:",
                "unet-studio evaluate found/ truth/ --intervals",
            ),
            (
                "Two files, and what became of each object:",
                "unet-studio evaluate cells.tif truth.tif --per-object objects.csv",
            ),
            (
                "Files of a pattern, against the truth in a folder:",
                "unet-studio evaluate 'found/a*.tif' truth/ --per-image images.csv",
            ),
        ),
        "measure": (
            (
                "Size, place and shape of every object in a file:",
                "unet-studio measure labels.tif --out cells.csv",
            ),
            (
                "With intensities of two images:",
                "unet-studio measure labels.tif --image dapi.tif --image gfp.tif",
            ),
            (
                "One table of a folder, with the images of the same names:",
                "unet-studio measure labels/ --image images/ --out all.csv",
            ),
        ),
        "compare": (
            (
                "Two models on the same images:",
                "unet-studio compare images/ truth/ --model nuclei --model mine.unet",
            ),
            (
                "Labels of other programs, and a table as a file:",
                "unet-studio compare images/ truth/ --segmentation old/ --csv all.csv",
            ),
        ),
        "inspect": (
            (
                "The strongest eight maps of one part of the network:",
                "unet-studio inspect cells.tif --node encoder.2 --count 8",
            ),
            (
                "What the answer at a pixel rests on:",
                "unet-studio inspect cells.tif --pixel 60,40 --out saliency.tif",
            ),
            (
                "The same of every image in a folder:",
                "unet-studio inspect images/ --node encoder.2 --out maps",
            ),
        ),
        "weights": (
            (
                "The weight map of a label image, as in the U-Net paper:",
                "unet-studio weights labels.tif --out weights.tif",
            ),
            (
                "Of a mask, plane by plane, with a gap between touching objects:",
                "unet-studio weights stack.tif --planes --connected --gap 2",
            ),
            (
                "Of every file in a folder; the same command goes on if it stopped:",
                "unet-studio weights labels/ --sigma 3 --out maps",
            ),
            (
                "As a model was trained:",
                "unet-studio weights labels.tif --config cells.unet",
            ),
        ),
        "deform": (
            (
                "An image and its labels, deformed alike:",
                "unet-studio deform image.tif --labels labels.tif --seed 1",
            ),
            (
                "Every image of a folder, with the labels of the same names:",
                "unet-studio deform images/ --labels labels/ --out deformed",
            ),
        ),
        "networks": (
            ("All of them, and what they cost:", "unet-studio networks"),
            (
                "One of them on your images:",
                "unet-studio networks unet-3d --shape 64x512x512 --batch 2",
            ),
            ("Its figure:", "unet-studio networks unet++ --figure unetpp.svg"),
        ),
        "export": (
            (
                "A package for the BioImage Model Zoo and what reads it:",
                "unet-studio export cells -o cells.zip --authors 'Ada Lovelace' "
                "--licence CC-BY-4.0",
            ),
            (
                "One ONNX file, compared with the model on an image of yours:",
                "unet-studio export cells -o cells.onnx --image cells.tif --axes YX",
            ),
        ),
        "models": (
            ("What is at hand, and what can be downloaded:", "unet-studio models"),
            ("What a model is for and how good it is:", "unet-studio models nuclei"),
            (
                "A copy of yours, with what it is for:",
                "unet-studio models copy nuclei\n"
                "   unet-studio models describe 'nuclei 2' --limits 'Not for tissue.'",
            ),
        ),
        "models info": (
            ("For people:", "unet-studio models info nuclei"),
            ("The whole card, for a program:", "unet-studio models info nuclei --json"),
        ),
        "models add": (
            (
                "A package of the model zoo:",
                "unet-studio models add package.zip --name cells",
            ),
            (
                "Weights of PyTorch, for a network of the catalog:",
                "unet-studio models add weights.pth --network unet",
            ),
        ),
        "models download": (
            (
                "By the address of a file, with the digest that it must have:",
                "unet-studio models download https://example.org/a.unet --sha256 9f86",
            ),
        ),
        "models rename": (
            ("Only the name changes:", "unet-studio models rename 'nuclei 2' mine"),
        ),
        "models copy": (
            ("Into your models:", "unet-studio models copy nuclei"),
            (
                "To a file of half the size, to share:",
                "unet-studio models copy nuclei --out small.unet --half",
            ),
        ),
        "models describe": (
            (
                "Who made it, and how it may be used:",
                "unet-studio models describe mine --author 'Ada Lovelace' "
                "--licence CC-BY-4.0",
            ),
        ),
        "models note": (
            ("For yourself:", "unet-studio models note mine 'good for May'"),
        ),
        "models remove": (
            ("Into the trash of the system:", "unet-studio models remove mine"),
        ),
        "models score": (
            (
                "On images that it has not seen; the result goes into its card:",
                "unet-studio models score mine images/ truth/ --name 'plates of May'",
            ),
        ),
        "settings": (
            ("What holds now:", "unet-studio settings"),
            (
                "Where your models are kept, and how much memory is planned with:",
                "unet-studio settings set models_folder ~/models\n"
                "   unet-studio settings set memory_limit 8",
            ),
            (
                "The usual value again:",
                "unet-studio settings reset memory_limit",
            ),
        ),
        "settings list": (("What holds now:", "unet-studio settings list"),),
        "settings get": (
            ("One value, for a script:", "unet-studio settings get device"),
        ),
        "settings set": (
            ("A number or a name:", "unet-studio settings set device cpu"),
            (
                "Several addresses:",
                "unet-studio settings set model_lists https://a.org/1.json "
                "https://b.org/2.json",
            ),
        ),
        "settings reset": (
            ("One of them:", "unet-studio settings reset device"),
            ("All of them:", "unet-studio settings reset --all"),
        ),
        "info": (
            ("To look at:", "unet-studio info"),
            ("To paste into a report of a bug:", "unet-studio info --json"),
        ),
        "benchmark": (
            (
                "See that all works, on tiny images:",
                "unet-studio benchmark weights --quick",
            ),
            (
                "Two seconds for each method, as in the documentation:",
                "unet-studio benchmark measures --seconds 2",
            ),
        ),
    }
)

USUAL = "0 all is done, 2 an error that the message explains, 130 stopped by Ctrl-C."
SOME = "0 all is done, 2 an error, or some files failed, 130 stopped by Ctrl-C."

CODES: Mapping[str, str] = MappingProxyType(
    {
        "usual": USUAL,
        "compare": SOME,
        "deform": SOME,
        "inspect": SOME,
        "predict": SOME,
        "weights": SOME,
        "train": "0 a model was written, also after one Ctrl-C; 2 an error, or --check "
        "found one; 130 stopped before the first update, in --check or by a second "
        "Ctrl-C.",
    }
)
